//! See `camhook::testing::feed` for the form of the input.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|input: &[u8]| -> Corpus {
    match camhook::testing::feed("webhook", input) {
        true => Corpus::Keep,
        false => Corpus::Reject,
    }
});
