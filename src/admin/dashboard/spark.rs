//! Small pictures of how much there was: bars, drawn as SVG.

use maud::{Markup, html};

/// One bar: what went well at its foot, what failed above.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bar {
    pub(super) good: u32,
    pub(super) bad: u32,
}

const HEIGHT: u64 = 24;
const STEP: usize = 5;

/// Bars beside each other, the highest as high as the picture. `told` says in words what there is to see.
pub(super) fn bars(bars: &[Bar], told: &str) -> Markup {
    let sum = |bar: &Bar| u64::from(bar.good) + u64::from(bar.bad);
    let most = bars.iter().map(sum).max().unwrap_or(0).max(1);
    // What is not nothing can be seen.
    let high = |count: u32| match count {
        0 => 0,
        count => (u64::from(count) * HEIGHT / most).max(1),
    };
    html! {
        svg.spark viewBox={ "0 0 " (bars.len() * STEP) " " (HEIGHT) } role="img" aria-label=(told) preserveAspectRatio="none" {
            title { (told) }
            @for (n, bar) in bars.iter().enumerate() {
                @let (good, bad) = (high(bar.good), high(bar.bad));
                @if good > 0 { rect.good x=(n * STEP) y=(HEIGHT.saturating_sub(good)) width=(STEP - 1) height=(good) {} }
                @if bad > 0 { rect.bad x=(n * STEP) y=(HEIGHT.saturating_sub(good + bad)) width=(STEP - 1) height=(bad) {} }
            }
            rect.floor x="0" y=(HEIGHT - 1) width=(bars.len() * STEP) height="1" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_what_there_was_and_says_it_in_words() {
        let drawn = bars(
            &[
                Bar::default(),
                Bar { good: 100, bad: 0 },
                Bar { good: 0, bad: 1 },
            ],
            "3 steps",
        );
        let drawn = drawn.into_string();
        assert_eq!(drawn.matches("<rect").count(), 3, "{drawn}");
        assert!(drawn.contains("aria-label=\"3 steps\""));
        assert!(
            drawn.contains(r#"class="good" x="5" y="0" width="4" height="24""#),
            "{drawn}"
        );
        assert!(
            drawn.contains(r#"class="bad" x="10" y="23" width="4" height="1""#),
            "{drawn}"
        );
        assert!(!drawn.contains("style="));
        assert!(bars(&[], "none").into_string().contains("floor"));
    }
}
