//! Signatures by which a receiver knows that a request is ours: HMAC-SHA256 (RFC 2104), in two formats of the field.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use ring::hmac::{HMAC_SHA256, Key, sign};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::settings::{Problem, Secret};

/// How a request is signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// As GitHub signs its webhooks.
    #[default]
    Github,
    /// As standardwebhooks.com has it: the id and the time are signed too. A secret that begins with `whsec_` is base64.
    Standard,
}

/// Signs requests; not `Debug`, it holds the key.
pub struct Signer {
    key: Key,
    format: Format,
}

impl Signer {
    pub fn new(secret: &Secret, format: Format) -> Result<Self, Problem> {
        let secret = secret.expose();
        if secret.is_empty() {
            return Err(Problem::at("secret", "the secret is empty").help("is the variable set?"));
        }
        let bytes = match (format, secret.strip_prefix("whsec_")) {
            (Format::Standard, Some(encoded)) => STANDARD.decode(encoded).map_err(|_| {
                Problem::at("secret", "a secret that begins with `whsec_` must be base64 after it").help("copy it whole, with its `=`")
            })?,
            _ => secret.as_bytes().to_vec(),
        };
        Ok(Self { key: Key::new(HMAC_SHA256, &bytes), format })
    }

    /// The headers that vouch for a body. `time` is in seconds since 1970.
    pub fn headers(&self, id: &str, time: i64, body: &str) -> HeaderMap {
        let named = match self.format {
            Format::Github => {
                let signature = sign(&self.key, body.as_bytes());
                let hex: String = signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
                vec![("x-hub-signature-256", format!("sha256={hex}"))]
            }
            Format::Standard => {
                let signature = STANDARD.encode(sign(&self.key, format!("{id}.{time}.{body}").as_bytes()));
                vec![
                    ("webhook-id", id.to_owned()),
                    ("webhook-timestamp", time.to_string()),
                    ("webhook-signature", format!("v1,{signature}")),
                ]
            }
        };
        let header = |(name, value): (&'static str, String)| Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?));
        named.into_iter().filter_map(header).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(secret: &str, format: Format, body: &str, expect: &[(&str, &str)]) {
        let signer = Signer::new(&Secret::new(secret.into()), format).unwrap();
        let headers = signer.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        let told: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(told, expect);
    }

    #[test]
    fn signs_as_the_documents_say() {
        // The example of GitHub's "Validating webhook deliveries".
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        check("It's a Secret to Everybody", Format::Github, "Hello, World!", &[("x-hub-signature-256", signature)]);
        // By `printf … | openssl dgst -sha256 -mac HMAC -macopt hexkey:… -binary | base64`.
        check(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            Format::Standard,
            r#"{"test": 2432232314}"#,
            &[
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", "1614265330"),
                ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            ],
        );
    }

    #[test]
    fn refuses_a_secret_that_cannot_be() {
        let said = |secret: &str| Signer::new(&Secret::new(secret.into()), Format::Standard).map(|_| ()).unwrap_err().message;
        assert_eq!(said(""), "the secret is empty");
        assert_eq!(said("whsec_?"), "a secret that begins with `whsec_` must be base64 after it");
    }
}
