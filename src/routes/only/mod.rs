//! Words beside `when`: what an event must be, in a form that reads like a sentence and says why it was not.
//!
//! All words must hold; in a list of values any will do. A word is about the event or about an item of it. With `each`, words
//! about that kind of item are about the one at hand; the others hold when some item satisfies all of them together, so
//! that the plate that is in the list is the one that drives north. What an event does not tell fits no word, unless the
//! word says `unknown: pass`.
//!
//! The words are in [`settings`], and in [`table`] what each is about and where its value is found. Values are compared by a few forms:
//! [`texts`], [`bounds`], [`open`] attributes, and those with a family of their own. All of them are made when the file is
//! read, where each refuses what it cannot be; asking an event allocates next to nothing before a word
//! says no.

mod bounds;
mod filter;
mod forms;
mod open;
mod place;
mod plate;
mod settings;
mod table;
mod texts;
mod time;
mod word;
mod words;

pub(super) use filter::Filter;
pub(crate) use settings::Settings;

#[cfg(test)]
mod tests;
