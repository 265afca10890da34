//! `apply --watch` in a container that is in its own manifest: it replaces itself.

use super::lab::{Lab, docker, shown};
use super::watch::until;
use crate::parts;

#[test]
fn a_windlass_in_a_container_replaces_itself() {
    let lab = Lab::new("itself");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_windlass")).parent().unwrap();
    let agent = |serial: u64| {
        let (folder, program) = (shown(&lab.path("")), shown(program));
        let socket = parts::docker_host().trim_start_matches("unix://").to_owned();
        // The image has no libraries, which the program wants that tests are made of.
        let entry = format!(
            r#""agent": {{"image": "one", "env": {{"VERSION": "{serial}", "HOME": "/lab"}}, "stop_grace": "1s",
"command": ["/program/windlass", "-C", "/lab", "--host", "unix:///engine.sock", "apply", "--watch", "--interval", "200ms", "--state-dir", "/lab/inside"],
"volumes": ["{program}:/program:ro", "{folder}:/lab", "{socket}:/engine.sock", "/lib:/lib:ro", "/lib64:/lib64:ro"],
"update": {{"order": "start-first", "healthy_for": "0s", "drain": "0s"}}}}"#
        );
        lab.manifest(serial, &entry);
    };
    let found = || {
        let label = format!("label=dev.windlass.project={}", lab.project);
        let format = r#"{{.Names}} {{.State}} {{.Label "dev.windlass.serial"}}"#;
        lab.plain(&docker(&["ps", "--all", "--filter", &label, "--format", format]))
    };
    agent(1);
    lab.apply();
    for serial in 2..=4 {
        agent(serial);
        until("it is replaced, by whom it has started", || found() == format!("PROJECT-agent running {serial}"));
    }
}
