//! `RUN --mount=type=ssh`: what `ssh-add` finds in a build is the key of an agent here.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use expect_test::expect;
use tempfile::TempDir;
use windlass::engine::docker::Builder;
use windlass::engine::{BuiltImage, Engine, Error, SshAgent};

use crate::conformance::Embedded;
use crate::engine_build::{Build, Events, engine, run};
use crate::project::{Project, said};

const LIST: &str = "[\"/usr/bin/ssh-add\", \"-L\"]";

/// An agent with one key, which ends with this.
struct Agent {
    folder: TempDir,
    process: String,
    /// The key as `ssh-add` lists it.
    key: String,
}

impl Agent {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        // It listens by the time that this is said.
        let started = run("ssh-agent", &["-s", "-a", &at("socket")]);
        let process = started.split("SSH_AGENT_PID=").nth(1).unwrap().split(';').next().unwrap().to_owned();
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "a key of the tests", "-f", &at("key")]);
        let added = Command::new("ssh-add").args(["-q", &at("key")]).env("SSH_AUTH_SOCK", at("socket")).status();
        assert!(added.unwrap().success());
        let key = std::fs::read_to_string(at("key.pub")).unwrap();
        Self { folder, process, key: key.trim().to_owned() }
    }

    fn as_(&self, id: &str) -> SshAgent {
        SshAgent { id: id.to_owned(), socket: self.folder.path().join("socket") }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ended = Command::new("ssh-agent").arg("-k").env("SSH_AGENT_PID", &self.process).output();
    }
}

/// Puts `ssh-add` into a folder, with the libraries that it needs.
fn put_ssh_add(folder: &Path) {
    let libraries = run("ldd", &["/usr/bin/ssh-add"]);
    let paths = libraries.split_whitespace().filter(|word| word.starts_with('/'));
    let copied = ["-L", "--parents", "/usr/bin/ssh-add"].into_iter().chain(paths).chain([folder.to_str().unwrap()]);
    run("cp", &copied.collect::<Vec<_>>());
}

fn build(name: &str, rest: &str, agents: Vec<SshAgent>) -> Build {
    let mut build = Build::of(name, &format!("FROM scratch\nCOPY . /\n{rest}\n"));
    put_ssh_add(build.folder.path());
    std::fs::create_dir(build.folder.path().join("etc")).unwrap();
    build.file("etc/passwd", "root:x:0:0::/:/x\nshop:x:77:77::/:/x\n");
    // No other build is this one, or a builder takes what it printed for said.
    build.file("once", build.folder.path().to_str().unwrap());
    build.ssh = agents;
    build.read_tree();
    build
}

/// What the commands printed, and what came of it.
async fn printed<E: Engine>(build: &Build, engine: &E) -> (String, Result<BuiltImage, Error>) {
    let events = Events::default();
    let built = build.run(engine, &events).await;
    (events.shown().lines().filter(|line| line.starts_with("Std")).collect::<Vec<_>>().join("\n"), built)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_asks_an_agent_that_leaves_no_trace() {
    let agent = Agent::start();
    let rest = format!(
        "RUN --mount=type=ssh {LIST}\n\
         RUN --mount=type=ssh,id=other,required=true,target=/agent,uid=77,mode=0600 \
         --mount=type=ssh,id=absent {LIST}\n\
         USER 77:77\nENV SSH_AUTH_SOCK=/agent\nRUN --mount=type=ssh,id=other,target=/agent,uid=77 {LIST}"
    );
    let agents = vec![agent.as_("default"), agent.as_("other")];
    let listed = ["Stdout: "; 3].map(|stream| format!("{stream}{}", agent.key)).join("\n");
    let (docker, embedded) = (engine(Builder::Best).await, Embedded::new());
    let theirs = build("ssh-docker", &rest, agents.clone());
    let (lines, built) = printed(&theirs, &docker).await;
    assert_eq!((lines, built.map(drop).map_err(|error| error.to_string())), (listed.clone(), Ok(())));
    let mut ours = build("ssh-embedded", &rest, agents);
    let (lines, built) = printed(&ours, &embedded.engine).await;
    let with = built.map_err(|error| error.to_string()).unwrap();
    assert_eq!(lines, listed);
    let (files, config) = embedded.files(&ours.name);
    let paths: Vec<&String> =
        files.keys().filter(|path| path.contains("agent") && !path.ends_with("ssh-agent")).collect();
    assert_eq!(paths, Vec::<&String>::new());
    assert!(!config.to_string().contains(agent.folder.path().to_str().unwrap()), "{config}");
    // What it came to is the same, whoever gave which agent.
    ours.ssh.truncate(0);
    let refused = printed(&ours, &embedded.engine).await.1.unwrap_err();
    assert!(matches!(&refused, Error::Image { line: Some(4), .. }), "{refused:?}");
    ours.ssh = vec![agent.as_("other"), agent.as_("default"), agent.as_("absent")];
    let (lines, built) = printed(&ours, &embedded.engine).await;
    assert_eq!((lines.as_str(), built.unwrap().id), ("", with.id), "it was done before");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_required_may_be_absent_and_the_rest_is_refused() {
    let (docker, embedded) = (engine(Builder::Best).await, Embedded::new());
    let optional = format!("RUN --mount=type=ssh {LIST}");
    let theirs = build("ssh-optional-docker", &optional, Vec::new());
    for lines in [
        printed(&theirs, &docker).await.0,
        printed(&build("ssh-optional", &optional, Vec::new()), &embedded.engine).await.0,
    ] {
        expect!["Stderr: Error connecting to agent: No such file or directory"].assert_eq(&lines);
    }
    let required = build("ssh-required", &optional.replace("=ssh", "=ssh,required=true"), Vec::new());
    let theirs = printed(&required, &docker).await.1;
    assert!(matches!(theirs, Err(Error::Image { .. })), "{theirs:?}");
    let Err(Error::Image { message, line, hint }) = printed(&required, &embedded.engine).await.1 else { panic!() };
    expect![[r#"
        the agent `default` of SSH is required, and nobody gave it
        Some(3) Some("add `--ssh default`")"#]]
    .assert_eq(&format!("{message}\n{line:?} {hint:?}"));
    // It would be given none, and fail in its own words.
    let agent = Agent::start();
    let classic = build("ssh-classic", &optional, vec![agent.as_("default")]);
    let Err(Error::Unsupported { message, hint }) = printed(&classic, &engine(Builder::Classic).await).await.1 else {
        panic!()
    };
    expect![[r#"
        `probe` mounts an agent of SSH, and the classic builder carries `default` to no command
        use an engine with BuildKit, such as Docker since 18.09, or `--engine embedded`"#]]
    .assert_eq(&format!("{message}\n{hint}"));
}

#[test]
fn an_agent_is_named_on_the_command_line() {
    let agent = Agent::start();
    let project = Project::new("ssh");
    project.write("app/Dockerfile", &format!("FROM scratch\nCOPY . /\nRUN --mount=type=ssh {LIST}\n"));
    put_ssh_add(&project.path("app"));
    let store = project.state().join("store");
    let windlass = |args: &[&str], socket: Option<&Path>| {
        let mut command = project.command(&["build", "--engine", "embedded", "--offline", "--progress", "plain"]);
        command.args(args).arg("--store").arg(&store).env_remove("SSH_AUTH_SOCK");
        command.envs(socket.map(|socket| ("SSH_AUTH_SOCK", socket)));
        said(&command.output().unwrap())
    };
    let socket = agent.as_("").socket;
    let place = |text: String| {
        text.replace(agent.folder.path().to_str().unwrap(), "AGENT")
            .replace(project.path("").to_str().unwrap(), "PROJECT/")
    };
    let refused: Vec<String> = [
        windlass(&["--ssh", "default"], None),
        windlass(&["--ssh", &format!("default={}", agent.folder.path().join("key").display())], None),
        windlass(&["--ssh", "default=app"], None),
        windlass(&["--ssh", "default=none"], None),
        windlass(&["--ssh", "=x"], None),
    ]
    .into_iter()
    .map(|said| {
        assert_eq!(said.code, Some(2), "{said:?}");
        place(said.stderr)
    })
    .collect();
    expect![[r#"
        error: `--ssh default` is to come from `SSH_AUTH_SOCK`, which is not set
        hint: start an agent, as `eval $(ssh-agent)` and `ssh-add` do, or name its socket
        error: `--ssh default=AGENT/key`: `AGENT/key` is a file, not the socket of an agent
        hint: give a key to an agent, and name that: `ssh-add AGENT/key`
        error: `--ssh default=app`: `PROJECT/app` is not the socket of an agent
        hint: name the socket that `ssh-agent` tells
        error: `--ssh default=none`: `PROJECT/none` can't be used: No such file or directory (os error 2)
        hint: is the agent running?
        error: `--ssh =x` names no id
        hint: write `--ssh default`
    "#]]
    .assert_eq(&refused.concat());
    // Others may not ask it.
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o077, 0);
    for said in [
        windlass(&["--ssh", "default"], Some(&socket)),
        windlass(&["--no-cache", "--force", "--ssh", &format!("default={}", socket.display())], None),
    ] {
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.stderr.contains(&agent.key), "{said:?}");
    }
}
