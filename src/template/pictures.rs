//! The pictures at hand in words.

use super::scope::{Images, Scope};

/// Pictures that are told in one message.
const PICTURES_TOLD: usize = 8;

impl Scope {
    /// For whoever asks for another: each picture that is there by its role, and what it is of.
    pub(crate) fn pictures_told(&self) -> String {
        let images = self.root.as_ref().and_then(|root| {
            let images = root.images.downcast_object_ref::<Images>()?;
            Some(images.pictures.as_slice())
        });
        let mut told: Vec<String> = Vec::new();
        for picture in images.unwrap_or_default() {
            let mut words = format!("`{}`", picture.role);
            if let Some(item) = picture.item {
                words.push_str(&format!(" of {item}"));
            }
            if picture.bytes().is_none() {
                words.push_str(" (known only by its address)");
            }
            if !told.contains(&words) {
                told.push(words);
            }
        }
        let more = told.len().saturating_sub(PICTURES_TOLD);
        told.truncate(PICTURES_TOLD);
        if more > 0 {
            told.push(format!("{more} more"));
        }
        match told.split_last() {
            None => "it has none".to_owned(),
            Some((last, [])) => format!("it has {last}"),
            Some((last, others)) => format!("it has {} and {last}", others.join(", ")),
        }
    }
}
