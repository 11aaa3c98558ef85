//! The middleware's variables: looked up, referred to, and what became of each.

/// Variables whose values are shown to nobody, by parts of their names.
const SECRET_WORDS: [&str; 4] = ["TOKEN", "PASSWORD", "KEY", "SECRET"];

/// What became of the variables so far.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    variables: &'a [(String, String)],
    told: Vec<(String, String)>,
}

impl<'a> Settings<'a> {
    pub(super) fn new(variables: &'a [(String, String)]) -> Self {
        Self {
            variables,
            told: Vec::new(),
        }
    }

    /// The value, if there is one that is not empty. `became` is told of it.
    pub(super) fn get(&mut self, name: &str, became: &str) -> Option<&'a str> {
        let found = self.variables.iter().rfind(|(known, _)| known == name);
        let value = found.map(|(_, value)| value.trim())?;
        self.tell(name, became);
        (!value.is_empty()).then_some(value)
    }

    /// Whether it is set to something that means yes.
    pub(super) fn is_on(&mut self, name: &str, became: &str) -> bool {
        let value = self.get(name, became).unwrap_or("no");
        ["1", "true", "yes", "on", "y", "t"]
            .iter()
            .any(|word| word.eq_ignore_ascii_case(value))
    }

    /// As a value of YAML: itself, or a reference where it is secret, unset, or would be read as more than a text.
    pub(super) fn yaml(&mut self, name: &str, became: &str) -> String {
        let secret = SECRET_WORDS.iter().any(|word| name.contains(word));
        match self.get(name, became) {
            Some(value) if !secret && is_plain(value) => quoted(value),
            Some(_) => reference(name),
            None => {
                self.tell(name, &format!("{became}; it is not set, and has to be"));
                reference(name)
            }
        }
    }

    /// An address as a value of YAML: with a password or a query, which may hold a token, it is referred to.
    pub(super) fn url(&mut self, name: &str, became: &str) -> String {
        match self.get(name, became) {
            Some(value) if is_public(value) => quoted(value),
            Some(_) => reference(name),
            None => self.yaml(name, became),
        }
    }

    pub(super) fn tell(&mut self, name: &str, became: &str) {
        self.told.retain(|(told, _)| told != name);
        self.told.push((name.to_owned(), became.to_owned()));
    }

    /// What became of each variable, in the order of the file; those that nobody asked for are left out of the config.
    pub(super) fn told(self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        let known = |all: &[(String, String)], name: &str| all.iter().any(|(n, _)| n == name);
        for (name, _) in self.variables {
            if known(&all, name) {
                continue;
            }
            let told = self.told.iter().find(|(told, _)| told == name);
            let became = told.map_or("not used by this protocol, and left out", |(_, became)| {
                became
            });
            all.push((name.clone(), became.to_owned()));
        }
        for (name, became) in self.told {
            if !known(&all, &name) {
                all.push((name, became));
            }
        }
        all
    }
}

pub(super) fn reference(name: &str) -> String {
    format!("\"${{{name}}}\"")
}

/// Whether a text may stand in the file as it is.
pub(super) fn is_plain(text: &str) -> bool {
    !["${", "{{", "{%", "{#"]
        .iter()
        .any(|mark| text.contains(mark))
        && !text.contains('\n')
}

/// Whether an address holds nothing that could be a secret.
pub(super) fn is_public(url: &str) -> bool {
    is_plain(url)
        && url::Url::parse(url).is_ok_and(|url| {
            url.username().is_empty()
                && url.password().is_none()
                && url
                    .query()
                    .is_none_or(|query| query.eq_ignore_ascii_case("wsdl"))
        })
}

/// A text in YAML's double quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.push_str(&format!("\\U{:08X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A text in a template's single quotes, which stand in YAML's double quotes or in a block of text.
pub(super) fn literal(text: &str) -> String {
    let mut literal = String::from("'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => literal.extend(['\\', c]),
            '\n' => literal.push_str("\\n"),
            c => literal.push(c),
        }
    }
    literal.push('\'');
    literal
}

/// A text in the comments of the file: on one line.
pub(super) fn comment(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_addresses_with_secrets_are_referred_to() {
        let variables = [
            ("SOAP_SERVICE_KEY", "k"),
            ("SOAP_USER", "o\"brien\\"),
            ("A_URL", "https://x/y"),
            ("B_URL", "https://u:p@x/y"),
            ("C_URL", "https://x/y?token=z"),
            ("LOGIN", "{{ event.id }}"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut settings = Settings::new(&variables);
        assert_eq!(
            settings.yaml("SOAP_SERVICE_KEY", ""),
            "\"${SOAP_SERVICE_KEY}\""
        );
        assert_eq!(settings.yaml("SOAP_USER", ""), r#""o\"brien\\""#);
        assert_eq!(settings.yaml("LOGIN", ""), "\"${LOGIN}\"");
        assert_eq!(settings.url("A_URL", ""), "\"https://x/y\"");
        assert_eq!(settings.url("B_URL", ""), "\"${B_URL}\"");
        assert_eq!(settings.url("C_URL", ""), "\"${C_URL}\"");
        assert_eq!(settings.url("D_URL", "url"), "\"${D_URL}\"");
        let told = settings.told();
        assert_eq!(told.len(), 7);
        assert_eq!(told[6].1, "url; it is not set, and has to be");
    }
}
