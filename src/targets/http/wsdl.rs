//! Compares what a SOAP service says of itself (WSDL 1.1) with the call that it is sent.
//!
//! The way through a WSDL is the one a client's generator takes: the binding of the right version of SOAP, its operation,
//! that operation's input message, the element which that message is, and the arguments inside of it. Names are followed
//! without their prefixes: a service has one of each. Nothing else is fetched and no entity is resolved; what stands in
//! other files is told as not compared.

use super::answer::Answer;
use super::xml::{Element, Page};
use crate::payload::around::Call;

const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
const SOAP_1_1: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
const SOAP_1_2: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";
const SCHEMA: &str = "http://www.w3.org/2001/XMLSchema";

/// So much is shown of each value.
const SHOWN_MAX: usize = 200;
/// So many names of a list.
const NAMES_MAX: usize = 30;

/// One argument of the call, as the service wants it.
struct Argument<'a> {
    name: &'a str,
    /// It may be left out.
    is_optional: bool,
}

/// What differs, a sentence each.
pub(super) fn differences(call: &Call, answer: &Answer) -> Vec<String> {
    let text = answer.text();
    let page = match Page::read(&text) {
        Ok(page) => page,
        Err(why) => return vec![format!("the WSDL cannot be read: {why}")],
    };
    let Some(root) = page.root().filter(|root| root.is(WSDL, "definitions")) else {
        let name = page.root().map_or("nothing", |root| root.name);
        return vec![format!(
            "no WSDL 1.1 is answered, but `{}`: nothing was compared",
            shown(name)
        )];
    };
    let mut differences = Vec::new();
    compare(call, root, &mut differences);
    differences
}

fn compare(call: &Call, root: Element<'_>, differences: &mut Vec<String>) {
    let (soap, other, other_version) = match call.version.as_str() {
        "1.2" => (SOAP_1_2, SOAP_1_1, "1.1"),
        _ => (SOAP_1_1, SOAP_1_2, "1.2"),
    };
    let bindings = |soap| {
        let all = root.children().filter(|child| child.is(WSDL, "binding"));
        all.filter(move |binding| binding.child(soap, "binding").is_some())
    };
    let operation_of = |binding: Element<'_>| operation(binding, &call.operation).is_some();
    let binding = bindings(soap).find(|binding| operation_of(*binding));
    let Some(binding) = binding.or_else(|| bindings(soap).next()) else {
        differences.push(if bindings(other).next().is_some() {
            format!(
                "the version of SOAP is `{other_version}`, `{}` is sent: set `version`",
                call.version
            )
        } else if let Some(import) = root.child(WSDL, "import") {
            elsewhere("the binding", import.attribute("location"))
        } else {
            "no binding to SOAP is told, a call in SOAP is sent: is this the right service?"
                .to_owned()
        });
        return;
    };
    address(call, root, binding, soap, differences);
    let Some(bound) = operation(binding, &call.operation) else {
        let operations = binding
            .children()
            .filter(|child| child.is(WSDL, "operation"));
        let names = operations.filter_map(|operation| operation.attribute("name"));
        differences.push(differs(
            "operation",
            &list(names),
            &call.operation,
            "set `operation`",
        ));
        return;
    };
    style(binding, bound, soap, differences);
    let of_soap = bound.child(soap, "operation");
    let action = of_soap.and_then(|operation| operation.attribute("soapAction"));
    let action = action.unwrap_or_default();
    if action != call.action && !(call.version == "1.2" && action.is_empty()) {
        let advice = "set `namespace` and `operation`, of which it is made, or copy the preset and change it there";
        differences.push(differs("SOAPAction", action, &call.action, advice));
    }
    match input(root, binding, &call.operation) {
        Ok(element) => arguments(call, root, element, differences),
        Err(why) => differences.push(why),
    }
}

/// The places where the service says that it is reached.
fn address(
    call: &Call,
    root: Element<'_>,
    binding: Element<'_>,
    soap: &str,
    differences: &mut Vec<String>,
) {
    let services = root.children().filter(|child| child.is(WSDL, "service"));
    let ports = services.flat_map(Element::children);
    let ports = ports.filter(|port| {
        let bound = port.attribute("binding").map(local);
        port.is(WSDL, "port") && bound == binding.attribute("name")
    });
    let places: Vec<&str> = ports
        .filter_map(|port| port.child(soap, "address")?.attribute("location"))
        .collect();
    let url = |text: &str| url::Url::parse(text.trim()).map(String::from).ok();
    let is_there = |place: &&str| *place == call.address || url(place) == url(&call.address);
    if !places.is_empty() && !places.iter().any(is_there) {
        let advice = "that is fine where it only knows an internal one, else set `url`";
        let places = list(places.into_iter());
        differences.push(differs("address", &places, &call.address, advice));
    }
}

/// How the call is to be written: camhook writes documents, literally.
fn style(binding: Element<'_>, bound: Element<'_>, soap: &str, differences: &mut Vec<String>) {
    let of_operation = bound.child(soap, "operation");
    let of_binding = binding.child(soap, "binding");
    let style = [of_operation, of_binding].into_iter().flatten();
    let style = style.filter_map(|place| place.attribute("style")).next();
    let body = bound
        .child(WSDL, "input")
        .and_then(|input| input.child(soap, "body"));
    let used = body.and_then(|body| body.attribute("use"));
    for (what, told, sent) in [("style", style, "document"), ("use", used, "literal")] {
        if let Some(told) = told.filter(|told| *told != sent) {
            let advice = "copy the preset and write its `xml` for that";
            differences.push(differs(what, told, sent, advice));
        }
    }
}

/// The element that the operation takes, by its local name.
fn input<'a>(root: Element<'a>, binding: Element<'a>, name: &str) -> Result<&'a str, String> {
    let named = |kind: &'static str, name: Option<&str>| {
        let all = root.children().filter(move |child| child.is(WSDL, kind));
        name.and_then(|name| {
            all.into_iter()
                .find(|found| found.attribute("name") == Some(name))
        })
    };
    let port_type = named("portType", binding.attribute("type").map(local));
    let message = port_type.and_then(|port_type| {
        operation(port_type, name)?
            .child(WSDL, "input")?
            .attribute("message")
    });
    let Some(message) = named("message", message.map(local)) else {
        return Err(match root.child(WSDL, "import") {
            Some(import) => elsewhere("what the operation takes", import.attribute("location")),
            None => {
                "what the operation takes is not told: its arguments were not compared".to_owned()
            }
        });
    };
    let parts: Vec<Element<'_>> = message
        .children()
        .filter(|child| child.is(WSDL, "part"))
        .collect();
    match parts.as_slice() {
        [part] if part.attribute("element").is_some() => {
            Ok(local(part.attribute("element").unwrap_or_default()))
        }
        _ => Err(format!(
            "the call is made of `{}`, one element is sent: copy the preset and write its `xml` for that",
            shown(&list(
                parts.iter().filter_map(|part| part.attribute("name"))
            ))
        )),
    }
}

/// The element itself, its namespace, and what is inside of it.
fn arguments(call: &Call, root: Element<'_>, name: &str, differences: &mut Vec<String>) {
    if name != call.operation {
        let advice = "copy the preset and change the element around the arguments in its `xml`";
        differences.push(differs(
            "element of the call",
            name,
            &call.operation,
            advice,
        ));
    }
    let types = root.child(WSDL, "types");
    let schemas = || {
        let all = types.into_iter().flat_map(Element::children);
        all.filter(|child| child.is(SCHEMA, "schema"))
    };
    let global = |kind: &'static str, name: &str| {
        let all =
            schemas().flat_map(move |schema| schema.children().map(move |child| (schema, child)));
        all.into_iter()
            .find(|(_, child)| child.is(SCHEMA, kind) && child.attribute("name") == Some(name))
    };
    let Some((schema, element)) = global("element", name) else {
        let mut imports = schemas().flat_map(Element::children);
        let import = imports.find(|child| child.attribute("schemaLocation").is_some());
        let place = import.and_then(|import| import.attribute("schemaLocation"));
        differences.push(elsewhere("the list of arguments", place));
        return;
    };
    let namespace = schema.attribute("targetNamespace").unwrap_or_default();
    if namespace != call.namespace {
        differences.push(differs(
            "namespace",
            namespace,
            &call.namespace,
            "set `namespace`",
        ));
    }
    if schema.attribute("elementFormDefault") != Some("qualified") {
        differences.push(
            "arguments are wanted without a namespace (elementFormDefault), with the call's they are sent: copy the preset and \
             add `xmlns=\"\"` to each in its `xml`"
                .to_owned(),
        );
    }
    let typed = element.attribute("type").map(local);
    let inner = typed
        .and_then(|name| Some(global("complexType", name)?.1))
        .unwrap_or(element);
    let mut wanted = Vec::new();
    collect(inner, &mut wanted);
    let names = match wanted.is_empty() {
        true => "nothing".to_owned(),
        false => list(wanted.iter().map(|argument| argument.name)),
    };
    let is_alike = wanted.len() == call.arguments.len()
        && wanted
            .iter()
            .zip(&call.arguments)
            .all(|(wanted, sent)| wanted.name == sent);
    if !is_alike {
        let is_sent =
            |argument: &&Argument<'_>| call.arguments.iter().any(|sent| sent == argument.name);
        let missing: Vec<&str> = (wanted.iter())
            .filter(|argument| !argument.is_optional && !is_sent(argument))
            .map(|argument| argument.name)
            .collect();
        let advice = match missing.is_empty() {
            true => "copy the preset and change its `xml`".to_owned(),
            false => format!(
                "it does not do without `{}`: copy the preset and change its `xml`",
                shown(&list(missing.into_iter()))
            ),
        };
        let sent = list(call.arguments.iter().map(String::as_str));
        differences.push(differs("list of arguments", &names, &sent, &advice));
    }
}

/// The elements of a type, not those inside of them.
fn collect<'a>(inside: Element<'a>, found: &mut Vec<Argument<'a>>) {
    for child in inside.children() {
        if child.is(SCHEMA, "element") {
            let name = child
                .attribute("name")
                .or(child.attribute("ref").map(local));
            found.extend(name.map(|name| Argument {
                name,
                is_optional: child.attribute("minOccurs") == Some("0"),
            }));
        } else if [
            "complexType",
            "sequence",
            "all",
            "choice",
            "complexContent",
            "extension",
        ]
        .iter()
        .any(|name| child.is(SCHEMA, name))
        {
            collect(child, found); // as deep as the page, which has a limit
        }
    }
}

fn operation<'a>(place: Element<'a>, name: &str) -> Option<Element<'a>> {
    let mut all = place.children().filter(|child| child.is(WSDL, "operation"));
    all.find(|operation| operation.attribute("name") == Some(name))
}

/// A qualified name without its prefix.
fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.take(NAMES_MAX).collect();
    names.join(", ")
}

fn shown(text: &str) -> String {
    text.escape_debug().take(SHOWN_MAX).collect()
}

fn differs(what: &str, told: &str, sent: &str, advice: &str) -> String {
    let told = match told {
        "" => "not told".to_owned(),
        told => format!("`{}`", shown(told)),
    };
    format!("the {what} is {told}, `{}` is sent: {advice}", shown(sent))
}

fn elsewhere(what: &str, place: Option<&str>) -> String {
    let place = place.map_or_else(
        || "nowhere here".to_owned(),
        |place| format!("in `{}`", shown(place)),
    );
    format!("{what} stands {place}, which camhook does not read: it was not compared")
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn told(change: impl Fn(String) -> String) -> Vec<String> {
        let wsdl = include_str!("../../../tests/fixtures/targets/plate-service.wsdl");
        let answer = Answer::new(
            StatusCode::OK,
            HeaderMap::new(),
            change(wsdl.to_owned()).into(),
        );
        differences(&call(), &answer)
    }

    fn call() -> Call {
        let arguments = ["user", "password", "date", "plate", "score", "image"];
        Call {
            operation: "PostImage".to_owned(),
            namespace: "http://tempuri.org/".to_owned(),
            action: "http://tempuri.org/PostImage".to_owned(),
            version: "1.1".to_owned(),
            arguments: arguments.map(str::to_owned).to_vec(),
            address: "http://backoffice.example.com/PlateService.asmx".to_owned(),
        }
    }

    fn changed(from: &str, to: &str) -> String {
        let mut told = told(|wsdl| {
            assert!(wsdl.contains(from), "{from}");
            wsdl.replace(from, to)
        });
        assert_eq!(told.len(), 1, "{told:?}");
        told.remove(0)
    }

    #[test]
    fn the_service_that_the_preset_was_made_for_is_as_expected() {
        assert_eq!(told(|wsdl| wsdl), [""; 0]);
        let wsdl = told(|wsdl| {
            wsdl.replace("<soap:", "<s1:")
                .replace("xmlns:soap=", "xmlns:s1=")
        });
        assert_eq!(wsdl, [""; 0], "prefixes are free");
    }

    #[test]
    fn each_difference_is_told_with_both_values() {
        assert_eq!(
            changed(
                "<s:element minOccurs=\"0\" maxOccurs=\"1\" name=\"plate\" type=\"s:string\" />",
                ""
            ),
            "the list of arguments is `user, password, date, score, image`, `user, password, date, plate, score, image` is sent: copy \
             the preset and change its `xml`"
        );
        let more = "<s:element minOccurs=\"1\" maxOccurs=\"1\" name=\"lane\" type=\"s:int\" /><s:element minOccurs=\"0\" maxOccurs=\"1\" name=\"plate\"";
        let more = changed(
            "<s:element minOccurs=\"0\" maxOccurs=\"1\" name=\"plate\"",
            more,
        );
        assert!(more.contains("does not do without `lane`"), "{more}");
        assert_eq!(
            changed(
                "soapAction=\"http://tempuri.org/PostImage\"",
                "soapAction=\"urn:post\""
            ),
            "the SOAPAction is `urn:post`, `http://tempuri.org/PostImage` is sent: set `namespace` and `operation`, of which it is \
             made, or copy the preset and change it there"
        );
        assert_eq!(
            changed(
                "targetNamespace=\"http://tempuri.org/\">\n      <s:element",
                "targetNamespace=\"urn:gate\">\n      <s:element"
            ),
            "the namespace is `urn:gate`, `http://tempuri.org/` is sent: set `namespace`"
        );
        assert_eq!(
            changed(
                "operation name=\"PostImage\"",
                "operation name=\"SendImage\""
            ),
            "the operation is `SendImage, Ping`, `PostImage` is sent: set `operation`"
        );
        assert_eq!(
            changed(
                "xmlns:soap=\"http://schemas.xmlsoap.org/wsdl/soap/\"",
                "xmlns:soap=\"urn:other\""
            ),
            "the version of SOAP is `1.2`, `1.1` is sent: set `version`"
        );
        assert!(changed("location=\"http://back", "location=\"http://front").starts_with(
            "the address is `http://frontoffice.example.com/PlateService.asmx`, `http://backoffice"
        ));
        assert_eq!(
            changed("style=\"document\"", "style=\"rpc\""),
            "the style is `rpc`, `document` is sent: copy the preset and write its `xml` for that"
        );
        assert!(changed("elementFormDefault=\"qualified\"", "").contains("elementFormDefault"));
        let both =
            told(|wsdl: String| wsdl.replace("element=\"tns:PostImage\"", "element=\"tns:Ping\""));
        assert!(both[0].starts_with("the element of the call is `Ping`, `PostImage` is sent"));
        assert!(both[1].starts_with("the list of arguments is `nothing`, `user, "));
    }

    #[test]
    fn what_stands_in_other_files_is_told_as_not_compared() {
        let told = told(|wsdl| {
            let start = wsdl.find("<s:element name=\"PostImage\"").unwrap();
            let end = wsdl.find("</s:schema>").unwrap();
            let import = "<s:import schemaLocation=\"http://x/?xsd=xsd0\" namespace=\"http://tempuri.org/\" />";
            format!("{}{import}{}", &wsdl[..start], &wsdl[end..])
        });
        assert_eq!(
            told,
            [
                "the list of arguments stands in `http://x/?xsd=xsd0`, which camhook does not read: it was not compared"
            ]
        );
    }

    #[test]
    fn what_is_no_wsdl_is_told() {
        assert_eq!(
            told(|_| "<html><body>Sign in</body></html>".to_owned()),
            ["no WSDL 1.1 is answered, but `html`: nothing was compared"]
        );
        assert!(told(|_| "{\"not\": \"xml\"}".to_owned())[0].contains("`nothing`"));
        assert!(told(|wsdl| wsdl[..900].to_owned())[0].starts_with("the WSDL cannot be read"));
    }
}
