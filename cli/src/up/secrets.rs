//! Keys and passwords of this installation: generated at the first start, kept for ever after.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rcgen::{KeyPair, PKCS_ED25519};
use secrecy::SecretString;

use super::{
    error::{UpError, file_error},
    layout::{Layout, write_private},
};

/// Bytes of entropy in a password, 160 bits.
const PASSWORD_BYTES: usize = 20;
/// What stands before the 32 bytes of an Ed25519 key in PKCS #8, version 1 (RFC 8410, section 7).
const PKCS8_ED25519_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The secrets, most of them as files: the parts read them from there, so that they stand in no environment and no
/// command line.
#[derive(Debug)]
pub struct Secrets {
    /// Signs the access tokens of users. Private Ed25519 key, PEM.
    pub jwt_key: PathBuf,
    /// Signs the tokens of tasks. Private Ed25519 key, PEM.
    pub task_token_key: PathBuf,
    /// Verifies the tokens of tasks. PEM.
    pub task_token_public_key: PathBuf,
    /// The operator derives the nonce of each task's frames from it.
    pub nonce_key: PathBuf,
    /// The API key of the demo model.
    pub demo_model_key: PathBuf,
    /// The file of the first administrator's password.
    pub admin_password_file: PathBuf,
    /// The first administrator's password.
    pub admin_password: SecretString,
    /// The gateway's password in the database.
    pub database_password: SecretString,
    /// The superuser's password in the database. Nothing uses it but people in need.
    pub database_superuser_password: SecretString,
}

impl Secrets {
    /// Reads the secrets, and makes those that are missing.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn open(layout: &Layout) -> Result<Self, UpError> {
        let task_token_key = layout.secret("task-token.key.pem");
        let task_token_public_key = layout.secret("task-token.pub.pem");
        // The public half is written first: when the private one is there, both are.
        if !task_token_key.exists() {
            let pair = SigningKey::generate()?;
            write_private(&task_token_public_key, pair.public_pem.as_bytes())?;
            write_private(&task_token_key, pair.private_pem.as_bytes())?;
        }
        let jwt_key = layout.secret("jwt.key.pem");
        if !jwt_key.exists() {
            write_private(&jwt_key, SigningKey::generate()?.private_pem.as_bytes())?;
        }
        let nonce_key = layout.secret("nonce.key");
        if !nonce_key.exists() {
            write_private(
                &nonce_key,
                hex::encode(rand::random::<[u8; 32]>()).as_bytes(),
            )?;
        }
        let demo_model_key = layout.secret("demo-model.key");
        password(&demo_model_key)?;
        let admin_password_file = layout.root().join("admin-password");
        Ok(Self {
            jwt_key,
            task_token_key,
            task_token_public_key,
            nonce_key,
            demo_model_key,
            admin_password: password(&admin_password_file)?,
            admin_password_file,
            database_password: password(&layout.secret("database-password"))?,
            database_superuser_password: password(&layout.secret("database-superuser-password"))?,
        })
    }
}

/// The password in `path`, made now if there is none. Letters, digits, `-` and `_`: it needs no quoting anywhere.
fn password(path: &Path) -> Result<SecretString, UpError> {
    if !path.exists() {
        let text = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; PASSWORD_BYTES]>());
        write_private(path, text.as_bytes())?;
    }
    let text = fs::read_to_string(path).map_err(file_error("read", path))?;
    Ok(SecretString::from(text.trim().to_owned()))
}

struct SigningKey {
    private_pem: String,
    public_pem: String,
}

impl SigningKey {
    /// A new Ed25519 key.
    ///
    /// The generator writes PKCS #8 version 2 with the public half in an older encoding that strict readers refuse.
    /// Version 1 is the private half alone, and everybody reads it.
    fn generate() -> Result<Self, UpError> {
        let failed = |error: &dyn std::fmt::Display| UpError::Key(error.to_string());
        let pair = KeyPair::generate_for(&PKCS_ED25519).map_err(|error| failed(&error))?;
        let generated = pair.serialized_der();
        let seed = generated
            .get(PKCS8_ED25519_PREFIX.len()..PKCS8_ED25519_PREFIX.len() + 32)
            .ok_or_else(|| failed(&"the generator made no Ed25519 key"))?;
        let der = [&PKCS8_ED25519_PREFIX[..], seed].concat();
        Ok(Self {
            private_pem: format!(
                "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
                base64::prelude::BASE64_STANDARD.encode(der)
            ),
            public_pem: pair.public_key_pem(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
    use secrecy::ExposeSecret as _;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_keys_sign_and_verify_what_the_parts_sign_and_verify() {
        let dir = tempfile::tempdir().unwrap();
        let secrets = Secrets::open(&Layout::open(dir.path()).unwrap()).unwrap();
        let private =
            EncodingKey::from_ed_pem(&fs::read(&secrets.task_token_key).unwrap()).unwrap();
        let public =
            DecodingKey::from_ed_pem(&fs::read(&secrets.task_token_public_key).unwrap()).unwrap();
        let claims = json!({"sub": "task", "aud": "pod-proxy", "exp": 4_102_444_800_u64});
        let token =
            jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &private).unwrap();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&["pod-proxy"]);
        let verified = jsonwebtoken::decode::<Value>(&token, &public, &validation).unwrap();
        assert_eq!(verified.claims, claims);
        // Users' tokens are signed with another key.
        let other = EncodingKey::from_ed_pem(&fs::read(&secrets.jwt_key).unwrap()).unwrap();
        let forged = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &other).unwrap();
        jsonwebtoken::decode::<Value>(&forged, &public, &validation).unwrap_err();
    }

    #[test]
    fn secrets_are_made_once_and_only_this_user_reads_them() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::open(dir.path()).unwrap();
        let first = Secrets::open(&layout).unwrap();
        let key = fs::read(&first.jwt_key).unwrap();
        let second = Secrets::open(&layout).unwrap();
        assert_eq!(
            first.admin_password.expose_secret(),
            second.admin_password.expose_secret()
        );
        assert_eq!(key, fs::read(&second.jwt_key).unwrap());
        assert_ne!(
            first.admin_password.expose_secret(),
            first.database_password.expose_secret()
        );
        assert!(first.admin_password.expose_secret().len() >= 26);
        for entry in fs::read_dir(dir.path().join("secrets")).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(
                entry.metadata().unwrap().mode() & 0o777,
                0o600,
                "{:?}",
                entry.path()
            );
        }
    }
}
