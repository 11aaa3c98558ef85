//! How camhook shows a NATS server who it is: a password, a token, or a signature with an nkey.
//!
//! An nkey is an Ed25519 key written in base32 with two bytes that say what it is for and a checksum. A `.creds` file holds
//! one and beside it a token (JWT) that an operator has signed. After the pages "NKeys" and "JWT" of docs.nats.io and the
//! description of the format in github.com/nats-io/nkeys, read on 2026-11-21.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use data_encoding::BASE32_NOPAD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Map, Value};

use crate::secret::Secret;

/// Who camhook is.
pub(super) enum Proof {
    Nobody,
    Login { username: String, password: Secret },
    Token(Secret),
    Key { key: Key, jwt: Option<Secret> },
}

/// A key pair of a user.
pub(super) struct Key {
    pair: Ed25519KeyPair,
}

/// The kinds of keys, in the five bits that a base32 letter holds: `S` and `U`.
const SEED: u8 = 18 << 3;
const USER: u8 = 20 << 3;

impl Proof {
    /// Adds itself to what a client says of itself. `nonce` is what the server wants signed.
    pub(super) fn tell(&self, told: &mut Map<String, Value>, nonce: &str) {
        let mut put = |name: &str, value: &str| told.insert(name.to_owned(), value.into());
        match self {
            Self::Nobody => {}
            Self::Login { username, password } => {
                put("user", username);
                put("pass", password.expose());
            }
            Self::Token(token) => {
                put("auth_token", token.expose());
            }
            Self::Key { key, jwt } => {
                match jwt {
                    Some(jwt) => put("jwt", jwt.expose()),
                    None => put("nkey", &key.public()),
                };
                let signature = key.pair.sign(nonce.as_bytes());
                put("sig", &URL_SAFE_NO_PAD.encode(signature.as_ref()));
            }
        }
    }

    /// Of the text of a `.creds` file.
    pub(super) fn of_creds(text: &str) -> Result<Self, &'static str> {
        let below = |title: &str| {
            let mut lines = text.lines().map(str::trim);
            lines.find(|line| line.contains(title))?;
            lines.find(|line| !line.is_empty())
        };
        let jwt = below("BEGIN NATS USER JWT").ok_or("there is no `BEGIN NATS USER JWT` in it")?;
        let seed =
            below("BEGIN USER NKEY SEED").ok_or("there is no `BEGIN USER NKEY SEED` in it")?;
        Ok(Self::Key {
            key: Key::of_seed(seed)?,
            jwt: Some(Secret::new(jwt)),
        })
    }
}

impl Key {
    /// Such as `SUAC…`.
    pub(super) fn of_seed(text: &str) -> Result<Self, &'static str> {
        let bytes = BASE32_NOPAD
            .decode(text.trim().as_bytes())
            .map_err(|_| "this is no seed of an nkey: it is not in base32")?;
        let (known, checksum) = match bytes.len() {
            36 => bytes.split_at(34),
            _ => return Err("this is no seed of an nkey: it has another length"),
        };
        if crc(known).to_le_bytes() != checksum {
            return Err("this is no seed of an nkey: its checksum is wrong");
        }
        let kind = (known[0] & 0b111) << 5 | known[1] >> 3;
        match (known[0] & 0b1111_1000, kind) {
            (SEED, USER) => {}
            (SEED, _) => return Err("this is the seed of another nkey than a user's (`SU…`)"),
            _ => return Err("this is no seed of an nkey: that begins with `SU`"),
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(&known[2..]);
        let pair = pair.map_err(|_| "this is no seed of an nkey")?;
        Ok(Self { pair })
    }

    fn public(&self) -> String {
        let mut bytes = vec![USER];
        bytes.extend(self.pair.public_key().as_ref());
        bytes.extend(crc(&bytes).to_le_bytes());
        BASE32_NOPAD.encode(&bytes)
    }
}

/// CRC-16/XMODEM.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A seed that nobody uses: 32 times 7.
    fn seed() -> String {
        let mut bytes = vec![SEED | USER >> 5, USER << 3];
        bytes.extend([7; 32]);
        bytes.extend(crc(&bytes).to_le_bytes());
        BASE32_NOPAD.encode(&bytes)
    }

    #[test]
    fn the_checksum_is_that_of_the_catalogue() {
        assert_eq!(crc(b"123456789"), 0x31c3);
    }

    #[test]
    fn a_seed_makes_the_users_public_key() {
        assert!(seed().starts_with("SU"), "{}", seed());
        let public = Key::of_seed(&seed()).unwrap().public();
        assert!(public.starts_with('U') && public.len() == 56, "{public}");
        for (wrong, why) in [
            (seed().replace("SU", "SA"), "checksum"),
            (seed()[..20].to_owned(), "no seed"),
            ("not base32!".to_owned(), "base32"),
            (public, "another length"),
        ] {
            let told = Key::of_seed(&wrong).err().unwrap();
            assert!(told.contains(why), "{told}");
        }
    }

    #[test]
    fn a_creds_file_holds_a_token_and_the_key_that_goes_with_it() {
        let text = format!(
            "-----BEGIN NATS USER JWT-----\r\neyJ0.x.y\r\n------END NATS USER JWT------\r\n\r\n* keep this secret *\r\n\
             -----BEGIN USER NKEY SEED-----\r\n{}\r\n------END USER NKEY SEED------\r\n",
            seed()
        );
        let mut told = Map::new();
        Proof::of_creds(&text)
            .ok()
            .unwrap()
            .tell(&mut told, "nonce");
        assert_eq!(told["jwt"], "eyJ0.x.y");
        assert!(!told.contains_key("nkey"));
        assert_eq!(told["sig"].as_str().unwrap().len(), 86);
        assert!(Proof::of_creds("SUAC").is_err());
    }
}
