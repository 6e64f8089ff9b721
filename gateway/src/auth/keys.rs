//! The keys of access tokens, and where they come from.
//!
//! A key is exchanged without logging anybody out: put another file into the folder, and take the old one away when its tokens have run
//! out. The newest key, by name, signs. With several gateways a new key reaches some of them later than others, so it only verifies
//! for the first minutes.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use jsonwebtoken::{DecodingKey, EncodingKey};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::error::Error;

/// How old the file of a key must be before the key signs, when there is another one that can. Longer than Kubernetes takes to bring a
/// Secret to every Pod.
pub const SETTLE: Duration = Duration::from_secs(5 * 60);
const PEM: &str = "pem";

/// Where keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// Keys that stay as they are.
    Fixed {
        /// In PEM: the key that signs, and then those that only verify.
        signing: SecretString,
        /// Files of further keys that only verify.
        verifying: Vec<PathBuf>,
    },
    /// All files of a folder whose names end with `.pem`. The one with the last name signs, once it is [`SETTLE`] old.
    Folder(PathBuf),
}

/// A key that signs and verifies.
pub struct Key {
    id: String,
    signing: EncodingKey,
    verifying: DecodingKey,
    public: [u8; 32],
}

/// The public half of a key, as a JSON Web Key.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = JsonWebKey)]
pub struct PublicKey {
    /// `OKP`: an octet key pair.
    pub kty: &'static str,
    /// The curve, `Ed25519`.
    pub crv: &'static str,
    /// The key, base64url.
    pub x: String,
    /// Its name in tokens.
    pub kid: String,
    /// `EdDSA`
    pub alg: &'static str,
    /// `sig`: for signatures.
    #[serde(rename = "use")]
    pub usage: &'static str,
}

impl KeySource {
    /// Reads the keys; the first is to sign. There is at least one.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::SigningKey`] or [`Error::NoSigningKey`] with the path, [`Error::NoSigningKeys`] where the text holds none.
    pub fn read(&self) -> Result<Vec<Key>, Error> {
        match self {
            Self::Fixed { signing, verifying } => {
                let mut keys =
                    Key::all_from_pem(signing.expose_secret()).ok_or(Error::NoSigningKeys)?;
                for path in verifying {
                    let key = Key::read(path)?;
                    if keys.iter().all(|other| other.id != key.id) {
                        keys.push(key);
                    }
                }
                Ok(keys)
            }
            Self::Folder(path) => read_folder(path, SystemTime::now()),
        }
    }
}

impl Key {
    /// The key in a PEM file; nothing when it is no Ed25519 private key.
    #[must_use]
    pub fn from_pem(pem: &[u8]) -> Option<Self> {
        let signing = EncodingKey::from_ed_pem(pem).ok()?;
        let key = SigningKey::from_pkcs8_der(signing.as_bytes()).ok()?;
        let public = key.verifying_key().to_bytes();
        Some(Self {
            id: hex::encode(&Sha256::digest(public)[..8]),
            signing,
            verifying: DecodingKey::from_ed_der(&public),
            public,
        })
    }

    /// All keys of a text with one PEM block after the other; nothing when there is none, or one that is no Ed25519 private key.
    #[must_use]
    pub fn all_from_pem(text: &str) -> Option<Vec<Self>> {
        const BEGIN: &str = "-----BEGIN";
        let starts: Vec<usize> = text.match_indices(BEGIN).map(|(start, _)| start).collect();
        let ends = starts.iter().skip(1).copied().chain([text.len()]);
        let blocks = starts.iter().copied().zip(ends);
        let keys: Vec<Self> = blocks
            .map(|(start, end)| Self::from_pem(text.get(start..end)?.as_bytes()))
            .collect::<Option<_>>()?;
        (!keys.is_empty()).then_some(keys)
    }

    /// The key in a file.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::SigningKey`] with the path.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let pem = std::fs::read(path).map_err(|source| unreadable(path, source))?;
        Self::from_pem(&pem).ok_or_else(|| Error::SigningKey {
            path: path.to_owned(),
        })
    }

    /// The name in tokens: the beginning of the public key's SHA-256.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What signs.
    #[must_use]
    pub const fn signing(&self) -> &EncodingKey {
        &self.signing
    }

    /// What verifies.
    #[must_use]
    pub const fn verifying(&self) -> &DecodingKey {
        &self.verifying
    }

    /// The half that everybody may have.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        use base64::Engine as _;
        PublicKey {
            kty: "OKP",
            crv: "Ed25519",
            x: base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(self.public),
            kid: self.id.clone(),
            alg: "EdDSA",
            usage: "sig",
        }
    }
}

fn read_folder(folder: &Path, now: SystemTime) -> Result<Vec<Key>, Error> {
    let entries = std::fs::read_dir(folder).map_err(|source| unreadable(folder, source))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|source| unreadable(folder, source))?.path();
        if path.extension().is_some_and(|extension| extension == PEM) {
            paths.push(path);
        }
    }
    // The last name first.
    paths.sort_unstable_by(|one, other| other.cmp(one));
    let mut keys = Vec::with_capacity(paths.len());
    let mut settled = None;
    for (index, path) in paths.iter().enumerate() {
        keys.push(Key::read(path)?);
        let changed = std::fs::metadata(path)
            .and_then(|metadata| metadata.modified())
            .map_err(|source| unreadable(path, source))?;
        // A time in the future is that of another clock, and no reason to wait for ever.
        let is_settled = now
            .duration_since(changed)
            .map_or(true, |age| age >= SETTLE);
        if is_settled && settled.is_none() {
            settled = Some(index);
        }
    }
    if keys.is_empty() {
        return Err(Error::NoSigningKey {
            path: folder.to_owned(),
        });
    }
    // Where all are young, as in a Pod that has just started, the newest may be new everywhere; the one before it is not.
    let signing = settled.unwrap_or_else(|| 1.min(keys.len() - 1));
    keys[..=signing].rotate_right(1);
    Ok(keys)
}

fn unreadable(path: &Path, source: std::io::Error) -> Error {
    Error::File {
        what: "the signing key",
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, age: Duration) -> String {
        let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)
            .unwrap()
            .serialize_pem();
        let path = folder.join(name);
        std::fs::write(&path, &pem).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
        Key::from_pem(pem.as_bytes()).unwrap().id
    }

    fn ids(folder: &Path) -> Vec<String> {
        let keys = KeySource::Folder(folder.to_owned()).read().unwrap();
        keys.into_iter().map(|key| key.id).collect()
    }

    const OLD: Duration = Duration::from_secs(3600);
    const YOUNG: Duration = Duration::from_secs(1);

    #[test]
    fn the_newest_key_signs_once_it_has_settled() {
        let dir = tempfile::tempdir().unwrap();
        let first = write(dir.path(), "2026-01.pem", YOUNG);
        std::fs::write(dir.path().join("README"), "no key").unwrap();
        assert!(
            ids(dir.path()).iter().eq([&first]),
            "the only one signs at once"
        );
        let second = write(dir.path(), "2026-02.pem", OLD);
        assert_eq!(ids(dir.path()), [second.clone(), first.clone()]);
        let third = write(dir.path(), "2026-03.pem", YOUNG);
        assert_eq!(ids(dir.path()), [second, third, first]);
    }

    #[test]
    fn where_all_keys_are_young_the_one_before_the_newest_signs() {
        let dir = tempfile::tempdir().unwrap();
        let first = write(dir.path(), "1.pem", YOUNG);
        let second = write(dir.path(), "2.pem", YOUNG);
        let third = write(dir.path(), "3.pem", YOUNG);
        assert_eq!(ids(dir.path()), [second, third, first]);
    }

    #[test]
    fn mistakes_name_their_file() {
        let dir = tempfile::tempdir().unwrap();
        let source = KeySource::Folder(dir.path().to_owned());
        assert!(matches!(source.read(), Err(Error::NoSigningKey { .. })));
        write(dir.path(), "1.pem", OLD);
        std::fs::write(dir.path().join("2.pem"), "no key").unwrap();
        assert!(
            matches!(source.read(), Err(Error::SigningKey { path }) if path.ends_with("2.pem"))
        );
        let first = std::fs::read_to_string(dir.path().join("1.pem")).unwrap();
        let files = KeySource::Fixed {
            signing: first.clone().into(),
            verifying: vec![dir.path().join("nowhere.pem")],
        };
        assert!(
            matches!(files.read(), Err(Error::File { path, .. }) if path.ends_with("nowhere.pem"))
        );
        assert!(Key::all_from_pem("no key").is_none());
        assert!(Key::all_from_pem(&format!("{first}-----BEGIN PRIVATE KEY-----\n")).is_none());
    }

    #[test]
    fn a_text_may_hold_several_keys() {
        let dir = tempfile::tempdir().unwrap();
        let ids = ["1", "2", "3"].map(|name| write(dir.path(), name, OLD));
        let text = |name| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let source = KeySource::Fixed {
            // As it comes from a file whose last line end was taken away.
            signing: format!("{}{}", text("1"), text("2").trim_end()).into(),
            verifying: vec![dir.path().join("2"), dir.path().join("3")],
        };
        let keys = source.read().unwrap();
        assert!(keys.iter().map(Key::id).eq(ids.iter().map(String::as_str)));
    }
}
