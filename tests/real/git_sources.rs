//! Images whose files are in git repositories elsewhere, built by a real engine.

use std::process::Command;

use crate::project::{Project, docker};

fn git(project: &Project, args: &[&str]) {
    let mut git = Command::new("git");
    git.current_dir(project.path("remote")).args(["-c", "user.name=me", "-c", "user.email=me@localhost"]).args(args);
    let output = git.output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_image_is_built_from_a_repository_as_from_a_folder() {
    let project = Project::new("gitsource");
    project.write("remote/docker/Dockerfile", "FROM scratch\nCOPY data /data\nLABEL generation=1\n");
    project.write("remote/docker/data", "1\n");
    git(&project, &["init", "--quiet", "--initial-branch=main"]);
    git(&project, &["add", "--all"]);
    git(&project, &["commit", "--quiet", "--message", "x"]);
    let remote = project.path("remote");
    let config = format!("version: 1\nproject: gitsource\nregistry: {}\nignore: [remote/]\n", project.registry());
    let images = format!("images: {{ a: {{ git: 'file://{}', ref: main, path: docker }} }}\n", remote.display());
    project.write("windlass.yaml", &format!("{config}{images}"));
    project.ok(&["lock"]);
    let (code, build) = project.build(&["--locked"]);
    assert_eq!(code, Some(0), "{build}");
    let generation = || {
        let image = format!("{}/a:latest", project.registry());
        docker(&["image", "inspect", "--format", "{{index .Config.Labels \"generation\"}}", &image])
    };
    assert_eq!(generation(), "1");
    project.write("remote/docker/Dockerfile", "FROM scratch\nCOPY data /data\nLABEL generation=2\n");
    git(&project, &["commit", "--quiet", "--all", "--message", "x"]);
    assert!(project.ok(&["plan"]).contains("nothing to build"));
    project.ok(&["lock", "--update", "a"]);
    assert_eq!(project.build(&[]).0, Some(0));
    assert_eq!(generation(), "2");
    // The same files in a folder of the project are the same image.
    project.write("windlass.yaml", &format!("{config}images: {{ a: {{ context: remote/docker }} }}\n"));
    assert!(project.ok(&["plan"]).contains("nothing to build"));
    project.remove_images();
}
