//! Whether this process runs in a container.

use std::path::Path;

/// Whether this process runs in a container, where a folder of "this machine" is a folder of nobody else.
#[expect(clippy::disallowed_methods, reason = "what Kubernetes says about itself is no configuration")]
pub(crate) fn is_here() -> bool {
    is_container(Path::new("/"), std::env::var_os("KUBERNETES_SERVICE_HOST").is_some())
}

/// Docker and Podman leave a file at the root; Kubernetes sets a variable.
fn is_container(root: &Path, kubernetes: bool) -> bool {
    kubernetes || root.join(".dockerenv").exists() || root.join("run/.containerenv").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marks_of_containers_are_known() {
        let root = tempfile::tempdir().unwrap();
        assert!(!is_container(root.path(), false));
        assert!(is_container(root.path(), true));
        std::fs::write(root.path().join(".dockerenv"), "").unwrap();
        assert!(is_container(root.path(), false));
    }
}
