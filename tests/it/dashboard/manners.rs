//! Logging in and out, and what every page keeps to.

use crate::harness::{Browser, Key, Size};
use crate::login::{House, everybody};

#[tokio::test]
async fn logs_in_and_out_with_the_keyboard_alone() {
    let house = House::start(&everybody()).await;
    let browser = Browser::open(Size::Phone).await;
    browser.go(&house.at("/")).await;
    browser.until_at("/login").await;
    browser.is_accessible().await;
    browser.fits_sideways().await;
    assert_eq!(browser.focus().await, "input username");
    browser.type_text("anna").await;
    browser.keys(&[Key::Tab]).await;
    assert_eq!(browser.focus().await, "input password");
    browser.type_text("password of anna").await;
    browser.keys(&[Key::Enter]).await;
    browser.until_at(&house.at("/")).await;
    browser.is_accessible().await;
    browser.picture("index").await;
    browser.press("Log out").await;
    browser.until_at("/login").await;
    browser.go(&house.at("/")).await;
    browser.until_at("/login").await;
    browser.close().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_in_place() {
    let house = House::start(&everybody()).await;
    let mut browser = Browser::open(Size::Desktop).await;
    browser.foretell("status of 401");
    browser.go(&house.at("/login?next=/api/v1/me")).await;
    browser.fill("#username", "anna").await;
    browser.fill("#password", "password of rita").await;
    browser.press("Log in").await;
    browser.until_shown("Wrong name or password.").await;
    browser.is_accessible().await;
    browser.dark().await;
    browser.is_accessible().await;
    browser.picture("login-dark").await;
    browser.fill("#username", "anna").await;
    browser.fill("#password", "password of anna").await;
    browser.press("Log in").await;
    browser.until_at("/api/v1/me").await;
    browser.close().await;
}
