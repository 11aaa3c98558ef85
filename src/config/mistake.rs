//! Mistakes of a config file, and how they are shown.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::PathBuf;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Severity,
};

/// How many mistakes of one file are told.
const MISTAKES_MAX: usize = 200;
/// A longer line is shown in part only: so many characters before a mistake, and from it on.
const LINE_MAX: usize = 1_000;
const AROUND: usize = 60;

/// Something in the file that cannot be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Bytes of the file.
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Mistake {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            span,
            message: message.into(),
            help: None,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The help, should there be one.
    pub(super) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }
}

/// A file that mistakes stand in. Places count through all files of a config, one behind the other.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// As the user named the file.
    pub(crate) file: String,
    /// The file's text, secrets masked byte for byte, so that positions hold.
    pub(crate) source: String,
    /// The place of its first byte.
    pub(crate) start: usize,
}

/// All mistakes of a config, in the order they stand in its files. Secrets are masked.
#[derive(Debug, Clone)]
pub struct Report {
    pub(crate) pages: Vec<Page>,
    pub(crate) mistakes: Vec<Mistake>,
    /// What was read, or should have been, besides the config: mending one of them may be all it needs.
    pub(crate) files: Vec<PathBuf>,
}

impl Page {
    /// The byte of this file.
    fn byte(&self, place: usize) -> usize {
        place.saturating_sub(self.start).min(self.source.len())
    }

    fn line_and_column(&self, place: usize) -> (usize, usize) {
        let before = &self.source[..boundary(&self.source, self.byte(place))];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default();
        (line, column.chars().count() + 1)
    }

    fn within(&self, mistake: &Mistake) -> Range<usize> {
        self.byte(mistake.span.start)..self.byte(mistake.span.end)
    }
}

impl Report {
    /// Of very many only the first are told, each with its lines: nobody reads more at once, and finding the place of each
    /// takes a walk over the file.
    pub(super) fn new(file: String, source: String, mut mistakes: Vec<Mistake>) -> Self {
        // What stands in an anchor is found again in each of its aliases.
        mistakes.sort_by_key(|mistake| (mistake.span.start, mistake.message.clone()));
        mistakes.dedup();
        if mistakes.len() > MISTAKES_MAX {
            let more = mistakes.len() - MISTAKES_MAX;
            mistakes.truncate(MISTAKES_MAX);
            if let Some(last) = mistakes.last_mut() {
                let help = last
                    .help
                    .take()
                    .map_or(String::new(), |help| format!("{help}; "));
                last.help = Some(format!(
                    "{help}there are {more} mistakes more behind this one"
                ));
            }
        }
        let page = Page {
            file,
            source,
            start: 0,
        };
        Self {
            pages: vec![page],
            mistakes,
            files: Vec::new(),
        }
    }

    /// With further files that mistakes may stand in, in the order of their places.
    pub(super) fn with_pages(mut self, pages: Vec<Page>) -> Self {
        self.pages.extend(pages);
        self
    }

    fn page(&self, mistake: &Mistake) -> &Page {
        let before = |page: &&Page| page.start <= mistake.span.start;
        self.pages
            .iter()
            .rfind(before)
            .expect("the first page begins at 0")
    }

    /// `file:line:column` of a mistake; columns count characters, from 1.
    fn place(&self, mistake: &Mistake) -> String {
        let page = self.page(mistake);
        let (line, column) = page.line_and_column(mistake.span.start);
        format!("{}:{line}:{column}", page.file)
    }

    /// All mistakes, for a terminal or for everything else.
    pub(crate) fn render(&self, terminal: bool) -> String {
        let is_wide = |page: &Page| page.source.lines().any(|line| line.len() > LINE_MAX);
        if terminal && !self.pages.iter().any(is_wide) {
            self.graphical()
        } else {
            self.plain()
        }
    }

    /// For pipes, logs and tests.
    pub(crate) fn plain(&self) -> String {
        let mut page = String::new();
        for mistake in &self.mistakes {
            let source = &self.page(mistake).source;
            let (number, column) = self.page(mistake).line_and_column(mistake.span.start);
            let _ = writeln!(page, "{}: {}", self.place(mistake), mistake.message);
            if let Some(line) = source.lines().nth(number - 1) {
                let margin = number.to_string();
                let (line, column) = around(line, column);
                let lead: String = line
                    .chars()
                    .take(column - 1)
                    .map(|c| if c == '\t' { '\t' } else { ' ' })
                    .collect();
                let rest = line.chars().count().saturating_sub(column - 1).max(1);
                let carets = "^".repeat(self.length(mistake).clamp(1, rest));
                let _ = writeln!(page, "{margin} | {line}");
                let _ = writeln!(page, "{} | {lead}{carets}", " ".repeat(margin.len()));
            }
            if let Some(help) = &mistake.help {
                let _ = writeln!(page, "  help: {help}");
            }
        }
        page
    }

    fn length(&self, mistake: &Mistake) -> usize {
        let page = self.page(mistake);
        page.source
            .get(page.within(mistake))
            .map_or(1, |text| text.chars().count())
    }

    /// For a terminal, with colours and boxes.
    fn graphical(&self) -> String {
        let handler =
            GraphicalReportHandler::new_themed(GraphicalTheme::unicode()).with_context_lines(1);
        let mut page = String::new();
        for mistake in &self.mistakes {
            let found_in = self.page(mistake);
            let span = found_in.within(mistake);
            let label = LabeledSpan::underline((span.start, span.len()));
            let mut diagnostic =
                MietteDiagnostic::new(format!("{}: {}", self.place(mistake), mistake.message))
                    .with_severity(Severity::Error)
                    .with_label(label);
            diagnostic.help.clone_from(&mistake.help);
            let report = miette::Report::new(diagnostic).with_source_code(NamedSource::new(
                found_in.file.clone(),
                found_in.source.clone(),
            ));
            if handler.render_report(&mut page, report.as_ref()).is_err() {
                let _ = writeln!(page, "{}: {}", self.place(mistake), mistake.message);
            }
        }
        page
    }
}

/// What is shown of a line, and the column in that: of one that was written for machines only what stands around, or each
/// of many mistakes would show all of it again.
fn around(line: &str, column: usize) -> (Cow<'_, str>, usize) {
    if line.len() <= LINE_MAX {
        return (line.into(), column);
    }
    let skipped = (column - 1).saturating_sub(AROUND);
    let mut shown: String = line.chars().skip(skipped).take(2 * AROUND).collect();
    let column = if skipped > 0 {
        shown.insert(0, '…');
        column - skipped + 1
    } else {
        column
    };
    if line.chars().nth(skipped + 2 * AROUND).is_some() {
        shown.push('…');
    }
    (shown.into(), column)
}

/// The byte itself, or the last one before it where a character begins.
pub(super) fn boundary(text: &str, byte: usize) -> usize {
    let mut at = byte.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The nearest of the known words, should one be near enough to be meant.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() + 1) / 3;
    known
        .into_iter()
        .filter(|candidate| *candidate != word)
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(
                &word.to_lowercase().replace('-', "_"),
                &candidate.to_lowercase().replace('-', "_"),
            );
            (distance, candidate)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean …?`, or else what there is.
pub(super) fn suggestion<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
    what: &str,
) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(near) = nearest(word, known.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    if known.is_empty() {
        return Some(format!("there are no {what}"));
    }
    let list: Vec<String> = known.iter().map(|word| format!("`{word}`")).collect();
    Some(format!("{what}: {}", list.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_endless_line_what_stands_around_each_mistake_is_shown() {
        let source = "a: {".to_owned() + &"é: 1, ".repeat(20_000) + "}";
        let at = |word: usize| 4 + word * "é: 1, ".len();
        let places = [at(0), at(10_000), at(19_999)];
        let mistakes = places.map(|place| Mistake::new(place..place + 2, "no such key"));
        let report = Report::new("r.yaml".to_owned(), source, mistakes.to_vec());
        let told = report.plain();
        assert!(told.len() < 2_000, "{}", told.len());
        assert_eq!(report.render(true), told);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 9);
        assert!(
            lines[3].starts_with("r.yaml:1:60005: no such key"),
            "{}",
            lines[3]
        );
        for (shown, carets) in [
            (lines[1], lines[2]),
            (lines[4], lines[5]),
            (lines[7], lines[8]),
        ] {
            let column = carets.chars().position(|c| c == '^').unwrap();
            assert_eq!(shown.chars().nth(column), Some('é'), "{shown}\n{carets}");
        }
    }
}
