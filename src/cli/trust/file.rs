//! The pin in the user's `routes.yaml`: shown as a difference, checked, and put in place at once or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::cli::{Common, Failure};
use crate::config::{self, Config, Surroundings};

/// Lines shown before and after what changes.
const CONTEXT: usize = 2;

/// A config with the pin in one of its targets, not yet written.
pub(super) struct Edited {
    path: PathBuf,
    old: String,
    new: String,
    /// As it may be shown: without secrets.
    pub(super) difference: Vec<String>,
    /// Where the target sends to, as far as the config says.
    pub(super) address: Option<(String, u16)>,
}

/// Edits the text and checks it, before and after.
pub(super) fn edit(common: &Common, target: &str, pin: &str) -> Result<Edited, Failure> {
    let config =
        Config::load(&common.config).map_err(|report| Failure::Config(Box::new(report)))?;
    let shown = common.config.display();
    let told = |error: io::Error| Failure::Said(format!("cannot read {shown}: {error}"));
    // What is replaced is the file itself, not a link to it.
    let path = fs::canonicalize(&common.config).map_err(told)?;
    let old = fs::read_to_string(&path).map_err(told)?;
    let new = config::pin(&old, target, pin)?;
    let folder = common
        .config
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let checked = Config::read(
        &shown.to_string(),
        &new,
        folder.unwrap_or(Path::new(".")),
        &Surroundings::default(),
        &config::environment,
    );
    if let Err(report) = checked {
        let why = report
            .mistakes
            .first()
            .map_or("", |mistake| mistake.message.as_str());
        return Err(Failure::Said(format!(
            "with the pin in target `{target}`, {shown} would be refused: {why}; nothing was written"
        )));
    }
    let difference = difference(&config.blot.out(&old), &config.blot.out(&new));
    let is_it = |known: &&config::Target| known.name.as_str() == target;
    let address = config
        .targets
        .iter()
        .find(is_it)
        .and_then(config::Target::address);
    Ok(Edited {
        path,
        old,
        new,
        difference,
        address,
    })
}

/// The lines that differ, marked, and a few around them. The texts differ in one place.
fn difference(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let alike = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let before = old.iter().zip(&new).take_while(alike).count();
    let rest = (old.len().min(new.len())) - before;
    let pairs = old.iter().rev().zip(new.iter().rev());
    let after = pairs.take_while(alike).count().min(rest);
    if before == old.len() && before == new.len() {
        return Vec::new();
    }
    let (gone, come) = (
        &old[before..old.len() - after],
        &new[before..new.len() - after],
    );
    let above = &old[before.saturating_sub(CONTEXT)..before];
    let below = &old[old.len() - after..];
    let marked = |mark: char, lines: &[&str]| -> Vec<String> {
        lines.iter().map(|line| format!("{mark} {line}")).collect()
    };
    let mut lines = vec![format!("line {}:", before + 1)];
    lines.extend(marked(' ', above));
    lines.extend(marked('-', gone));
    lines.extend(marked('+', come));
    lines.extend(marked(' ', &below[..below.len().min(CONTEXT)]));
    lines
}

impl Edited {
    pub(super) fn changes(&self) -> bool {
        self.old != self.new
    }

    /// Replaces the file: whoever reads it sees the old text or the new one.
    pub(super) fn write(&self) -> Result<(), Failure> {
        let failed = |error: io::Error| {
            Failure::Said(format!(
                "cannot replace {}, which is as it was: {error}",
                self.path.display()
            ))
        };
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let beside = self
            .path
            .with_file_name(format!(".{name}.{}", std::process::id()));
        let done = self.replace_by(&beside);
        if done.is_err() {
            let _ = fs::remove_file(&beside); // it may not be there
        }
        done.map_err(failed)
    }

    fn replace_by(&self, beside: &Path) -> io::Result<()> {
        let known = fs::metadata(&self.path)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(beside)?;
        file.write_all(self.new.as_bytes())?;
        file.set_permissions(known.permissions())?;
        keep_owner(&file, &known)?;
        file.sync_all()?;
        if fs::read_to_string(&self.path)? != self.old {
            return Err(io::Error::other("somebody else changed it meanwhile"));
        }
        fs::rename(beside, &self.path)
    }
}

/// The service that reads the file must still be able to, whoever runs this command.
#[cfg(unix)]
fn keep_owner(file: &File, known: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let own = file.metadata()?;
    if (own.uid(), own.gid()) == (known.uid(), known.gid()) {
        return Ok(());
    }
    fchown(file, Some(known.uid()), Some(known.gid()))
}

#[cfg(not(unix))]
fn keep_owner(_file: &File, _known: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_lines_that_change_and_two_around_them() {
        let old = "a\nb\nc\nd\ne\nf\n";
        let shown = |new| difference(old, new).join("|");
        assert_eq!(
            shown("a\nb\nc\nx\nd\ne\nf\n"),
            "line 4:|  b|  c|+ x|  d|  e"
        );
        assert_eq!(
            shown("a\nb\nc\nD\ne\nf\n"),
            "line 4:|  b|  c|- d|+ D|  e|  f"
        );
        assert_eq!(shown("a\nb\nc\nd\ne\nf\nf\n"), "line 7:|  e|  f|+ f");
        assert_eq!(shown(old), "");
    }
}
