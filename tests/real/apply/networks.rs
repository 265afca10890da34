//! Networks of a project besides its one, as Docker's own client sees them, and as those who are on them do.

use std::process::Command;

use expect_test::expect;

use super::lab::{Lab, Ran, docker};

/// A manifest with networks.
fn manifest(lab: &Lab, serial: u64, networks: &str, containers: &str) {
    lab.manifest(serial, containers);
    let path = lab.path("deploy.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        path,
        text.replacen(r#""containers":"#, &format!(r#""networks": {{{networks}}}, "containers":"#), 1),
    )
    .unwrap();
}

/// A container with what is particular to it.
fn container(name: &str, image: &str, more: &str) -> String {
    format!(r#""{name}": {{"image": "{image}", "stop_grace": "1s", "update": {{"healthy_for": "300ms"}}{more}}}"#)
}

fn nothing_to_do(lab: &Lab) {
    let again = lab.run(&["apply"]);
    assert!(again.stdout.starts_with("nothing to do"), "{again:?}");
}

/// A subnet that is free, as the engine found it.
fn free_subnet(lab: &Lab) -> String {
    let name = format!("{}-probe", lab.project);
    docker(&["network", "create", &name]);
    let subnet = docker(&["network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", &name]);
    docker(&["network", "rm", &name]);
    subnet.split('.').take(3).collect::<Vec<_>>().join(".")
}

/// The networks that a container is on, with its names there that are not the engine's.
fn networks_of(lab: &Lab, container: &str) -> Vec<String> {
    let listed = lab.inspect(container, "{{range $name, $e := .NetworkSettings.Networks}}{{$name}}\n{{end}}");
    listed.lines().filter(|line| !line.is_empty()).map(|line| lab.plain(line)).collect()
}

fn project_networks(lab: &Lab) -> Vec<String> {
    let label = format!("label=dev.windlass.project={}", lab.project);
    let listed = docker(&["network", "ls", "--filter", &label, "--format", "{{.Name}}"]);
    let mut names: Vec<String> = listed.lines().map(|line| lab.plain(line)).collect();
    names.sort();
    names
}

#[test]
fn containers_are_on_the_networks_that_they_say() {
    let lab = Lab::new("networks");
    let both = |image| {
        [
            container("db", image, r#", "networks": {"back": {"aliases": ["store"]}}"#),
            container("web", image, r#", "networks": ["default", "back"], "links": ["db:base"]"#),
            container("other", image, ""),
        ]
        .join(",\n")
    };
    manifest(&lab, 1, r#""back": {"internal": true}"#, &both("one"));
    lab.apply();
    assert_eq!(project_networks(&lab).len(), 2);
    assert_eq!(
        (lab.asks("web", "store"), lab.asks("web", "base"), lab.asks("other", "web")),
        ("one".into(), "one".into(), "one".into())
    );
    let unheard = Command::new("docker")
        .args(["-H", &crate::parts::docker_host(), "exec", &lab.name("other"), "nslookup", "db"])
        .output()
        .unwrap();
    assert!(!unheard.status.success(), "who is on none of its networks does not find it");
    nothing_to_do(&lab);
    // Lost, and mended as it was.
    let back = docker(&["network", "ls", "--filter", &format!("name={}-back", lab.project), "--format", "{{.Name}}"]);
    docker(&["network", "disconnect", &back, &lab.name("web")]);
    lab.apply();
    assert_eq!(lab.asks("web", "store"), "one");
    manifest(&lab, 2, r#""back": {"internal": true}"#, &both("two"));
    lab.apply();
    assert_eq!(lab.asks("web", "base"), "two");
    nothing_to_do(&lab);
}

#[test]
fn a_network_that_changes_is_another_one_to_which_containers_move_while_they_run() {
    let lab = Lab::new("network-moves");
    let both = [
        container("db", "one", r#", "networks": ["back"]"#),
        container("web", "one", r#", "networks": ["default", "back"], "links": ["db"]"#),
    ];
    manifest(&lab, 1, r#""back": {}"#, &both.join(", "));
    lab.apply();
    let started = (lab.inspect("db", "{{.State.StartedAt}}"), lab.inspect("web", "{{.State.StartedAt}}"));
    manifest(&lab, 2, r#""back": {"internal": true}"#, &both.join(", "));
    lab.apply();
    assert_eq!(lab.asks("web", "db"), "one");
    assert_eq!((lab.inspect("db", "{{.State.StartedAt}}"), lab.inspect("web", "{{.State.StartedAt}}")), started);
    let networks = project_networks(&lab);
    assert!(networks.len() == 2 && networks[1].starts_with("PROJECT-back."), "{networks:?}");
    assert_eq!(networks_of(&lab, "db"), networks[1..]);
    nothing_to_do(&lab);
    docker(&["restart", "-t", "1", &lab.name("db")]);
    assert_eq!(lab.asks("web", "db"), "one", "it comes back on the network to which it moved");
    manifest(&lab, 3, "", &[container("db", "one", ""), container("web", "one", r#", "links": ["db"]"#)].join(", "));
    lab.apply();
    assert_eq!(project_networks(&lab), ["PROJECT"], "what nobody wants any more is gone");
    assert_eq!(lab.asks("web", "db"), "one");
}

#[test]
fn ipv4_address() {
    let lab = Lab::new("network-address");
    let net = free_subnet(&lab);
    let lan = format!(r#""lan": {{"subnets": [{{"subnet": "{net}.0/24", "ip_range": "{net}.128/25"}}]}}"#);
    for (serial, image, order) in [(1, "one", ""), (2, "two", ""), (3, "one", r#", "order": "swap""#)] {
        let update = format!(
            r#""web": {{"image": "{image}", "stop_grace": "1s", "networks": {{"lan": {{"ipv4_address": "{net}.9"}}}},
  "update": {{"healthy_for": "300ms"{order}}}}}"#
        );
        manifest(&lab, serial, &lan, &[update, container("client", "one", r#", "networks": ["lan"]"#)].join(", "));
        let ran = lab.apply();
        let why = "the new one starts after it has stopped: both have the address";
        assert_eq!(ran.stderr.contains(why), serial == 2, "{ran:?}");
        assert_eq!(lab.asks("client", &format!("{net}.9")), image);
        nothing_to_do(&lab);
    }
    let name = docker(&["network", "ls", "--filter", &format!("name={}-lan", lab.project), "--format", "{{.Name}}"]);
    docker(&["network", "disconnect", &name, &lab.name("web")]);
    docker(&["network", "connect", &name, &lab.name("web")]);
    lab.apply();
    assert_eq!(lab.asks("client", &format!("{net}.9")), "one", "an address that was lost is mended");
}

#[test]
fn a_subnet_that_is_taken_is_known_before_anything_is_touched() {
    let lab = Lab::new("network-subnet");
    let net = free_subnet(&lab);
    let lan = |more: &str| format!(r#""lan": {{"subnets": [{{"subnet": "{net}.0/24"}}]{more}}}"#);
    let on = |image| [container("web", image, r#", "networks": ["lan"]"#), container("other", image, "")].join(", ");
    manifest(&lab, 1, &lan(""), &on("one"));
    lab.apply();
    let before = lab.now();
    manifest(&lab, 2, &lan(r#", "internal": true"#), &on("two"));
    let refused = lab.run(&["apply"]);
    // The hashes of two networks.
    let mut plain = refused.stderr.replace(&net, "NET");
    while let Some(at) = plain.find("PROJECT-lan.") {
        plain.replace_range(at..at + "PROJECT-lan.".len() + 8, "PROJECT-lan#");
    }
    Ran { stderr: plain, ..refused }.is(expect![[r#"
        error: the network `PROJECT-lan#` is to be made with NET.0/24, and `PROJECT-lan#` has addresses of that
        hint: a network can't be changed while containers are on it: choose another subnet, or first apply a manifest in which nobody is on it
        exit 1
    "#]]);
    assert_eq!(lab.events_since(&before), Vec::<String>::new());
    assert_eq!(lab.asks("web", "web"), "one");
    // What the hint says.
    manifest(&lab, 3, "", &[container("web", "one", ""), container("other", "one", "")].join(", "));
    lab.apply();
    manifest(&lab, 4, &lan(r#", "internal": true"#), &on("two"));
    lab.apply();
    assert_eq!(lab.asks("web", "web"), "two");
    nothing_to_do(&lab);

    let theirs = format!("{}-theirs", lab.project.replace("windlass-test", "somebodys"));
    docker(&["network", "create", &theirs]);
    let taken = docker(&["network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", &theirs]);
    let inner = taken.replace("/16", "/24");
    manifest(
        &lab,
        5,
        &format!(r#""more": {{"subnets": [{{"subnet": "{inner}"}}]}}"#),
        &container("web", "two", r#", "networks": ["more"]"#),
    );
    let refused = lab.run(&["apply"]);
    docker(&["network", "rm", &theirs]);
    assert_eq!(refused.exit, Some(1), "{refused:?}");
    let end = format!("`{theirs}` has addresses of that\nhint: choose another subnet\n");
    assert!(refused.stderr.ends_with(&end), "{refused:?}");
}

#[test]
fn source_ip() {
    let lab = Lab::new("network-source-ip");
    let said = container("web", "one", r#", "networks": ["default", "out"]"#);
    manifest(&lab, 1, r#""out": {"source_ip": "127.0.0.7"}"#, &said);
    lab.apply();
    let out = docker(&["network", "ls", "--filter", &format!("name={}-out", lab.project), "--format", "{{.Name}}"]);
    let option = r#"{{index .Options "com.docker.network.host_ipv4"}}"#;
    assert_eq!(docker(&["network", "inspect", "--format", option, &out]), "127.0.0.7");
    let gateway = docker(&["network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", &out]);
    let route = docker(&["exec", &lab.name("web"), "/bin/sh", "-c", "ip route | grep ^default"]);
    let subnet = docker(&["network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", &out]);
    let host_side =
        if gateway.is_empty() { subnet.replace(".0/", ".1/").split('/').next().unwrap().to_owned() } else { gateway };
    assert!(route.contains(&format!("via {host_side} ")), "it goes out by that network: {route}, {host_side}");
    nothing_to_do(&lab);
}

#[test]
fn external_networks_are_neither_made_nor_removed() {
    let lab = Lab::new("network-external");
    let theirs = format!("{}-elsewhere", lab.project.replace("windlass-test", "somebodys"));
    let remove = || {
        Command::new("docker").args(["-H", &crate::parts::docker_host(), "network", "rm", &theirs]).output().unwrap()
    };
    remove();
    let networks = format!(r#""theirs": {{"external": "{theirs}"}}"#);
    manifest(&lab, 1, &networks, &container("web", "one", r#", "networks": ["theirs"]"#));
    let refused = lab.run(&["apply"]);
    assert_eq!((refused.exit, lab.containers()), (Some(1), String::new()), "{refused:?}");
    docker(&["network", "create", &theirs]);
    lab.apply();
    assert_eq!(networks_of(&lab, "web"), std::slice::from_ref(&theirs));
    nothing_to_do(&lab);
    manifest(&lab, 2, "", &container("web", "one", ""));
    lab.apply();
    assert_eq!(networks_of(&lab, "web"), ["PROJECT"]);
    docker(&["network", "inspect", &theirs]);
    lab.run(&["apply", "--allow-empty"]);
    drop(lab);
    assert!(remove().status.success(), "nobody else is on it");
}
