//! The kubeconfig of somebody else's cluster.

use std::path::{Path, PathBuf};

use kube::config::Kubeconfig;

use super::{
    error::{UpError, file_error},
    layout::{Layout, private_dir, write_private},
};

/// Who gets one; `admin` is `up` itself, and whoever uses kubectl with its data folder.
const PARTS: [&str; 4] = ["admin", "operator", "gateway", "node"];

/// Gives each part a kubeconfig of its own, where the local cluster would have put it, and returns that of the administrator. Paths in it
/// are absolute afterwards, because the copies are in another folder.
///
/// # Errors
/// When the file cannot be read or the copies cannot be written.
pub fn hand_out(given: &Path, layout: &Layout) -> Result<PathBuf, UpError> {
    let unusable = |error: &dyn std::fmt::Display| {
        UpError::Kubeconfig(format!("--kubeconfig {}: {error}", given.display()))
    };
    let given = std::fs::canonicalize(given).map_err(file_error("read", given))?;
    let config = Kubeconfig::read_from(&given).map_err(|error| unusable(&error))?;
    // JSON is YAML, and what the local cluster writes.
    let text = serde_json::to_string_pretty(&config).map_err(|error| unusable(&error))?;
    let admin = layout.kubeconfig_of(PARTS[0]);
    if let Some(folder) = admin.parent() {
        std::fs::create_dir_all(folder).map_err(file_error("create", folder))?;
        private_dir(folder)?;
    }
    for part in PARTS {
        write_private(&layout.kubeconfig_of(part), text.as_bytes())?;
    }
    Ok(admin)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn the_copies_work_from_another_folder_and_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let given = dir.path().join("config");
        let text = "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
            clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', certificate-authority: pki/ca.crt}}]\n\
            users: [{name: u, user: {token: secret}}]\n\
            contexts: [{name: c, context: {cluster: c, user: u}}]\n";
        std::fs::write(&given, text).unwrap();
        let layout = Layout::open(&dir.path().join("data")).unwrap();
        let admin = hand_out(&given, &layout).unwrap();
        for file in [admin, layout.kubeconfig_of("operator")] {
            let mode = std::fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let copy = Kubeconfig::read_from(&file).unwrap();
            let authority = copy.clusters[0]
                .cluster
                .as_ref()
                .unwrap()
                .certificate_authority
                .clone();
            let wanted = std::fs::canonicalize(dir.path())
                .unwrap()
                .join("pki/ca.crt");
            assert_eq!(authority, Some(wanted.display().to_string()));
            let token = copy.auth_infos[0]
                .auth_info
                .as_ref()
                .unwrap()
                .token
                .as_ref()
                .unwrap();
            assert_eq!(token.expose_secret(), "secret");
        }
    }

    #[test]
    fn a_file_that_is_missing_or_broken_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::open(&dir.path().join("data")).unwrap();
        let given = dir.path().join("config");
        let error = hand_out(&given, &layout).unwrap_err().to_string();
        assert!(error.contains("config"), "{error}");
        std::fs::write(&given, "clusters: 7").unwrap();
        let error = hand_out(&given, &layout).unwrap_err().to_string();
        assert!(error.contains("--kubeconfig"), "{error}");
    }
}
