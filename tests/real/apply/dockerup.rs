//! Containers of dockerup's files, as they stand, on a real engine.

use std::fs;

use super::lab::{Lab, docker, shown};
use crate::metadata_server::{MetadataServer, UserData};
use crate::parts;

/// The folder that dockerup makes for the logs of a container.
struct LogFolder(String);

impl Drop for LogFolder {
    fn drop(&mut self) {
        // What can't be removed harms nobody.
        let _left = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn dockerup_files_are_applied_as_they_stand() {
    let lab = Lab::new("dockerup");
    let tag = format!("{}/windlass-test-dockerup:latest", parts::registry());
    let publish = |image: &str| {
        docker(&["tag", lab.image(image), &tag]);
        docker(&["push", "--quiet", &tag]);
    };
    publish("one");
    docker(&["tag", lab.image("one"), "windlass-test-dockerup-local:1"]);
    let folder = lab.path("dockerup");
    fs::create_dir_all(folder.join("containers.d")).unwrap();
    let conf = "; as in the field\nconfdir=/etc/dockerup/containers.d\nremote=unix://var/run/docker.sock\ninterval=60\naws=false\n";
    fs::write(folder.join("dockerup.conf"), conf).unwrap();
    let name = "windlass-test-web";
    let _logs = [LogFolder(format!("/var/log/ext/{name}")), LogFolder("/var/log/ext/windlass_test_data".to_owned())];
    let image = tag.trim_end_matches(":latest");
    let web = format!(
        r#"{{"type": "docker", "name": "{name}", "image": "{image}", "cpu": 10, "memory": "64m", "restart": "always",
  "portMappings": [{{"containerPort": "80"}}], "links": {{"windlass_test_data": "store"}}, "volumes": [{{"from": "windlass_test_data"}}],
  "env": {{"STANDALONE": "false"}}, "update": {{"pull": true, "eager": true}}}}"#
    );
    fs::write(folder.join("containers.d/web.json"), web).unwrap();
    let data = r#"{"name": "windlass_test_data", "image": "windlass-test-dockerup-local:1", "volumes": [{"containerPath": "/storage"}],
  "update": {"pull": false}}"#;
    fs::write(folder.join("containers.d/data.json"), data).unwrap();
    fs::write(folder.join("containers.d/data.json.orig"), "{").unwrap();

    let (project, dockerup) = (lab.project.clone(), shown(&folder));
    let args = ["apply", "--dockerup", &dockerup, "--project", &project];
    let first = lab.run(&args);
    assert_eq!(first.exit, Some(0), "{first:?}");
    assert!(first.stderr.contains("warning: `windlass_test_data` is called `windlass-test-data` here"), "{first:?}");
    assert_eq!(lab.run(&args).stdout, "nothing to do: the host runs serial 1 of `PROJECT`\n");
    assert_eq!(lab.asks(name, "store"), "one", "the link");
    assert_eq!(lab.asks(name, "windlass_test_data"), "one", "its name as it is written");
    docker(&["exec", &lab.name("windlass-test-data"), "/bin/sh", "-c", "echo kept > /storage/x"]);
    let inside = |line: &str| docker(&["exec", &lab.name(name), "/bin/sh", "-c", line]);
    assert_eq!(inside("cat /storage/x; echo $STANDALONE $DOCKER_IMAGE"), format!("kept\nfalse {image}"));
    assert_eq!(inside("echo logged > /var/log/ext/log; echo done"), "done");
    assert_eq!(fs::read_to_string(format!("/var/log/ext/{name}/log")).unwrap(), "logged\n");
    let limits = lab.inspect(name, "{{.HostConfig.CpuShares}} {{.HostConfig.Memory}}");
    assert_eq!(limits, "10 67108864");
    let address = lab.inspect(name, r#"{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostIp}}"#);
    assert_eq!(address, "0.0.0.0");

    publish("two");
    let second = lab.run(&args);
    assert_eq!((second.exit, lab.asks(name, name).as_str()), (Some(0), "two"), "{second:?}");
    assert!(second.stdout.contains("the host runs serial 2"), "{second:?}");
    assert_eq!(inside("cat /storage/x"), "kept");

    // What can't be read, or is not there, changes nothing.
    let before = lab.containers();
    fs::write(folder.join("containers.d/web.json"), "{").unwrap();
    assert_eq!(lab.run(&args).exit, Some(2));
    fs::write(folder.join("containers.d/web.json"), format!(r#"{{"name": "{name}", "image": "{image}-missing"}}"#))
        .unwrap();
    let missing = lab.run(&args);
    assert_eq!((missing.exit, lab.containers()), (Some(2), before), "{missing:?}");
    docker(&["rmi", &tag, "windlass-test-dockerup-local:1"]);
}

#[test]
fn dockerup_containers_of_user_data_are_merged_with_the_files() {
    let lab = Lab::new("dockerup-ec2");
    let image = "windlass-test-dockerup-ec2:1";
    docker(&["tag", lab.image("one"), image]);
    let container = |name: &str| format!(r#"{{"name": "{name}", "image": "{image}", "update": {{"pull": false}}}}"#);
    let _logs = ["web", "db"].map(|name| LogFolder(format!("/var/log/ext/windlass-test-ec2-{name}")));
    let folder = lab.path("dockerup");
    fs::create_dir_all(folder.join("containers.d")).unwrap();
    fs::write(folder.join("dockerup.conf"), "aws=true\n").unwrap();
    fs::write(folder.join("containers.d/web.json"), container("windlass-test-ec2-web")).unwrap();
    let user_data = format!(r#"{{"containers": [{}]}}"#, container("windlass-test-ec2-db"));
    let server = MetadataServer::start(UserData::Body(user_data.into()));
    let apply = |args: &[&str]| {
        let args = [&["apply", "--project", &lab.project], args].concat();
        let child = lab.start_with(&args, "AWS_EC2_METADATA_SERVICE_ENDPOINT", &server.endpoint);
        lab.ran(child.wait_with_output().unwrap())
    };
    let ran = apply(&["--ec2"]);
    assert_eq!((ran.exit, lab.containers().as_str()), (Some(0), "PROJECT-windlass-test-ec2-db running"), "{ran:?}");
    let both = "PROJECT-windlass-test-ec2-db running\nPROJECT-windlass-test-ec2-web running";
    let ran = apply(&["--dockerup", &shown(&folder)]);
    assert_eq!((ran.exit, lab.containers().as_str()), (Some(0), both), "{ran:?}");
    assert_eq!(apply(&["--dockerup", &shown(&folder)]).stdout, "nothing to do: the host runs serial 2 of `PROJECT`\n");
    for bad in [
        UserData::Status(500),
        UserData::Status(404),
        UserData::Body(b"{".to_vec()),
        UserData::Body(br#"{"containers": [{}]}"#.to_vec()),
    ] {
        server.says(bad.clone());
        let ran = apply(&["--dockerup", &shown(&folder)]);
        assert!(matches!(ran.exit, Some(2 | 3)) && lab.containers() == both, "{bad:?}: {ran:?}");
    }
    server.says(UserData::Body(format!(r#"{{"containers": [{}]}}"#, container("windlass-test-ec2-web")).into()));
    let clash = apply(&["--dockerup", &shown(&folder)]);
    assert!(clash.exit == Some(2) && clash.stderr.contains("there are two containers"), "{clash:?}");
    docker(&["rmi", image]);
}
