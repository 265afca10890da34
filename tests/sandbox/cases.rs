//! What must hold of a sandbox in every mode.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use expect_test::expect;
use windlass::engine::embedded::sandbox::{Beside, Command, Ended, Identity, Limits, Mount, Network, Source, Stop};

use crate::world::{Case, World, command, listing, run_in, runs_something_with, says, shell};

pub(crate) const ALL: &[Case] = &[
    ("a command finds what Docker gives it", a_command_finds_what_docker_gives_it),
    ("a command ends in one of these ways", a_command_ends_in_one_of_these_ways),
    ("a user is who they are said to be", a_user_is_who_they_are_said_to_be),
    ("a layer holds what changed", a_layer_holds_what_changed),
    ("mount points are in no layer", mount_points_are_in_no_layer),
    ("mounts", mounts),
    ("mounts in mounts", mounts_in_mounts),
    ("what is written is handed on as it comes", what_is_written_is_handed_on_as_it_comes),
    ("nothing runs after the command", nothing_runs_after_the_command),
    ("a command runs among the processes of another", a_command_runs_among_the_processes_of_another),
    ("a command is limited", a_command_is_limited),
    ("no network", no_network),
    ("a hundred and fifty layers", a_hundred_and_fifty_layers),
];

fn a_command_finds_what_docker_gives_it(world: &World) {
    let mut workspace = world.begin(vec![world.busybox()]);
    if world.is_chroot() {
        let told = says(&mut workspace, "ls / /dev /proc /etc; sh -c umask; env; cat <&0; echo x > /dev/null; id -u");
        expect![[r#"
            /:
            bin
            dev
            etc
            proc
            sys

            /dev:
            fd
            full
            null
            random
            shm
            stderr
            stdin
            stdout
            tty
            urandom
            zero

            /etc:
            hosts
            resolv.conf

            /proc:
            0022
            SHLVL=1
            PATH=/bin
            PWD=/
            0
        "#]]
        .assert_eq(&told);
        return;
    }
    let line = "echo $$; ls / /dev /etc; grep -E 'Cap|NoNewPrivs|SigBlk' /proc/self/status; sh -c umask; hostname; env; \
                id; cat <&0; touch /proc/sys/kernel/hostname || echo read-only; cat /proc/keys; ls /sys/firmware; \
                test -c /dev/null && mount -t tmpfs tmpfs /sys || echo no mounts; { mknod /x b 8 0 && head -c 1 /x; } 2> /dev/null || echo no device";
    let outcome = run_in(&mut workspace, &shell(line));
    expect![[r#"
        1
        /:
        bin
        dev
        etc
        proc
        sys

        /dev:
        core
        fd
        full
        mqueue
        null
        ptmx
        pts
        random
        shm
        stderr
        stdin
        stdout
        tty
        urandom
        zero

        /etc:
        hosts
        resolv.conf
        SigBlk:	0000000000000000
        CapInh:	0000000000000000
        CapPrm:	00000000a80425fb
        CapEff:	00000000a80425fb
        CapBnd:	00000000a80425fb
        CapAmb:	0000000000000000
        NoNewPrivs:	0
        0022
        build
        SHLVL=1
        PATH=/bin
        PWD=/
        uid=0 gid=0
        read-only
        no mounts
        no device
        --
        touch: /proc/sys/kernel/hostname: Read-only file system
        mount: permission denied (are you root?)
    "#]]
    .assert_eq(&(outcome.stdout + "--\n" + &outcome.stderr));
}

fn a_command_ends_in_one_of_these_ways(world: &World) {
    let mut workspace = world.begin(vec![world.busybox()]);
    let not_executable = "printf hello > /text; chmod 755 /text; printf '#!/nope' > /script; chmod 755 /script";
    says(&mut workspace, not_executable);
    let mut told = String::new();
    for words in [
        &["/bin/sh", "-c", "exit 3"][..],
        &["./bin/sh", "-c", "exit 4"],
        // The first process of a namespace can't kill itself.
        &["sh", "-c", "sh -c 'kill -9 $$'; exit $?"],
        &["nope"],
        &["/nope"],
        &["/bin"],
        &["/etc/hosts"],
        &["/text"],
        &["/script"],
    ] {
        told += &format!("{words:?} {:?}\n", run_in(&mut workspace, &command(words)).ended);
    }
    let mut long = shell("sleep 1000");
    long.limits.time = Some(Duration::from_millis(50));
    told += &format!("limit {:?}\n", run_in(&mut workspace, &long).ended);
    let stop = Stop::new().unwrap();
    let stop_at_once = |_, _: &[u8]| stop.stop();
    let endless = shell("trap '' TERM INT HUP; echo begun; sleep 1000");
    told += &format!("stop {:?}\n", workspace.run(&endless, &stop_at_once, &stop).unwrap());
    told += &format!("stopped {:?}\n", workspace.run(&shell("true"), &|_, _| (), &stop).unwrap());
    expect![[r#"
        ["/bin/sh", "-c", "exit 3"] Exited(3)
        ["./bin/sh", "-c", "exit 4"] Exited(4)
        ["sh", "-c", "sh -c 'kill -9 $$'; exit $?"] Exited(137)
        ["nope"] NotStarted("exec: \"nope\": executable file not found in $PATH")
        ["/nope"] NotStarted("exec: \"/nope\": stat /nope: no such file or directory")
        ["/bin"] NotStarted("exec: \"/bin\": is a directory")
        ["/etc/hosts"] NotStarted("exec: \"/etc/hosts\": permission denied")
        ["/text"] NotStarted("exec /text: exec format error")
        ["/script"] NotStarted("exec /script: no such file or directory")
        limit TimedOut
        stop Stopped
        stopped Stopped
    "#]]
    .assert_eq(&told);
}

fn a_user_is_who_they_are_said_to_be(world: &World) {
    let mut workspace = world.begin(vec![world.busybox()]);
    let user = Identity { uid: 1000, gid: 1001, groups: vec![1001, 1002] };
    let line = "id; grep -E 'Cap(Eff|Prm|Bnd)' /proc/self/status; touch /x || touch /work/x";
    let command = Command { user, cwd: "/work".to_owned(), ..shell(line) };
    if world.has_single_id() {
        let error = workspace.run(&command, &|_, _| (), &Stop::new().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "taking on the group 1001: EINVAL: Invalid argument");
        return;
    }
    assert_eq!(says(&mut workspace, "touch /y; chown 7:8 /y; stat -c '%u %g' /y"), "7 8\n");
    if world.is_chroot() {
        let outcome = run_in(&mut workspace, &Command { argv: shell("id; touch /x").argv, ..command });
        let told = (outcome.stdout.as_str(), outcome.stderr.as_str());
        assert_eq!(told, ("uid=1000 gid=1001 groups=1001,1002\n", "touch: /x: Permission denied\n"));
        return;
    }
    let outcome = run_in(&mut workspace, &command);
    expect![[r#"
        uid=1000 gid=1001 groups=1001,1002
        CapPrm:	0000000000000000
        CapEff:	0000000000000000
        CapBnd:	00000000a80425fb
        --
        touch: /x: Permission denied
        touch: /work/x: Permission denied
    "#]]
    .assert_eq(&(outcome.stdout + "--\n" + &outcome.stderr));
}

fn a_layer_holds_what_changed(world: &World) {
    let mut workspace = world.begin(vec![world.busybox()]);
    says(
        &mut workspace,
        "mkdir /d; echo one > /d/one; echo two > /d/two; ln /d/one /d/link; chmod 4711 /d/two; mknod /pipe p",
    );
    workspace
        .change(|root| {
            fs::write(root.join("d/three"), "three\n")?;
            Ok(fs::remove_file(root.join("bin/head"))?)
        })
        .unwrap();
    let first = workspace.commit().unwrap().unwrap();
    let mut told = listing(&first);
    workspace.stack(first).unwrap();
    assert_eq!(workspace.commit().unwrap(), None);
    says(&mut workspace, "rm /d/one; rm -r /bin/tail; rm /pipe; mkdir /pipe; chmod 700 /");
    told += "--\n";
    let second = workspace.commit().unwrap().unwrap();
    told += &listing(&second);
    workspace.stack(second).unwrap();
    says(&mut workspace, "true");
    assert_eq!(workspace.commit().unwrap(), None);
    told += "--\n";
    told += &says(&mut workspace, "stat -c %a /; cat /d/three /d/link; ls /d; rm -r /d; mkdir /d; touch /d/new");
    let third = workspace.commit().unwrap().unwrap();
    told += "--\n";
    told += &listing(&third);
    workspace.stack(third).unwrap();
    told += "--\n";
    told += &workspace.look(|root| Ok(listing(&root.join("d")))).unwrap();
    expect![[r#"
        bin/ 40755 0:0
        bin/head gone
        d/ 40755 0:0
        d/link 100644 0:0 2 links "one\n"
        d/one 100644 0:0 2 links "one\n"
        d/three 100644 0:0 "three\n"
        d/two 104711 0:0 "two\n"
        pipe 10644 0:0
        --
        bin/ 40755 0:0
        bin/tail gone
        d/ 40755 0:0
        d/one gone
        pipe/ 40755 0:0 opaque
        --
        700
        three
        one
        link
        three
        two
        --
        d/ 40755 0:0 opaque
        d/new 100644 0:0 ""
        --
        new 100644 0:0 ""
    "#]]
    .assert_eq(&told);
}

fn mount_points_are_in_no_layer(world: &World) {
    let layer = world.busybox();
    fs::create_dir_all(layer.join("etc/deep")).unwrap();
    std::os::unix::fs::symlink("../run/resolv.conf", layer.join("etc/resolv.conf")).unwrap();
    let mut workspace = world.begin(vec![layer]);
    let mount = |target: &str, source| Mount { target: target.to_owned(), source, read_only: false };
    let mounts = vec![
        mount("/etc/deep/er/folder", Source::Tmpfs { size: None }),
        mount("/etc/deep/file", Source::Secret { content: b"x".to_vec(), mode: 0o400, uid: 0, gid: 0 }),
        mount("/root/.cache/x", Source::Folder(world.folder())),
    ];
    let line = "ls -l /etc/resolv.conf | busybox awk '{print $9}'; test -s /etc/hosts; chmod 750 /etc/deep; touch /etc/deep/new";
    says(&mut workspace, "true");
    assert_eq!(workspace.commit().unwrap(), None);
    let outcome = run_in(&mut workspace, &Command { mounts, ..shell(line) });
    assert_eq!((outcome.ended, outcome.stderr.as_str()), (Ended::Exited(0), ""));
    let layer = workspace.commit().unwrap().unwrap();
    let told = listing(&layer);
    workspace.stack(layer).unwrap();
    let seen = workspace.look(|root| Ok(listing(&root.join("etc")))).unwrap();
    expect![[r#"
        etc/ 40755 0:0
        etc/deep/ 40750 0:0
        etc/deep/new 100644 0:0 ""
        --
        deep/ 40750 0:0
        deep/new 100644 0:0 ""
        resolv.conf -> ../run/resolv.conf
    "#]]
    .assert_eq(&(told + "--\n" + &seen));
}

fn mounts(world: &World) {
    let mut workspace = world.begin(vec![world.busybox()]);
    let (cache, other) = (world.folder(), world.folder());
    fs::write(cache.join("kept"), "kept\n").unwrap();
    fs::create_dir_all(other.join("usr/lib")).unwrap();
    fs::write(other.join("usr/lib/data"), "data\n").unwrap();
    std::os::unix::fs::symlink("usr/lib", other.join("lib")).unwrap();
    let owner = if world.has_single_id() { 0 } else { 3 };
    let layers = |subpath: &str| Source::Layers { lowers: vec![other.clone()], subpath: subpath.to_owned() };
    let mount = |target: &str, source, read_only| Mount { target: target.to_owned(), source, read_only };
    let mounts = vec![
        mount("/cache", Source::Folder(cache.clone()), false),
        mount("/read", Source::Folder(cache.clone()), true),
        mount("/file", Source::Folder(cache.join("kept")), true),
        mount("/layers", layers("/lib"), false),
        mount("/layers-read", layers("/lib/../lib"), true),
        mount("/one", layers("lib/data"), true),
        mount("/memory", Source::Tmpfs { size: Some(1 << 20) }, false),
        mount(
            "/run/secrets/token",
            Source::Secret { content: b"s3cret\n".to_vec(), mode: 0o440, uid: owner, gid: owner },
            true,
        ),
    ];
    if world.is_chroot() {
        // Copies, of which nothing is read-only and nothing has a size.
        let line = "cat /cache/kept /file /layers/data /one /run/secrets/token; echo new > /cache/new; touch /read/x /layers/x; \
                    stat -c '%a %u %g' /run/secrets/token /memory; touch /memory/x";
        let outcome = run_in(&mut workspace, &Command { mounts, ..shell(line) });
        let told = (outcome.stdout.as_str(), outcome.stderr.as_str());
        assert_eq!(told, ("kept\nkept\ndata\ndata\ns3cret\n440 3 3\n1777 0 0\n", ""));
        assert_eq!(listing(&cache), "kept 100644 0:0 \"kept\\n\"\nnew 100644 0:0 \"new\\n\"\n");
        assert_eq!(workspace.commit().unwrap(), None);
        assert_eq!(says(&mut workspace, "ls /"), "bin\ndev\netc\nproc\nsys\n");
        return;
    }
    let line = "cat /cache/kept /file /layers/data /one /run/secrets/token; echo new > /cache/new; cat /read/new; \
                touch /read/x; touch /layers-read/x; echo lost > /layers/data; cat /layers/data; \
                stat -c '%a %u %g' /run/secrets/token /memory; head -c 2000000 /dev/zero > /memory/x; echo $?";
    let outcome = run_in(&mut workspace, &Command { mounts, ..shell(line) });
    expect![[r#"
        kept
        kept
        data
        data
        s3cret
        new
        lost
        440 OWNER OWNER
        1777 0 0
        1
        --
        touch: /read/x: Read-only file system
        touch: /layers-read/x: Read-only file system
        head: standard output: I/O error
    "#]]
    .assert_eq(
        &(outcome.stdout.replace(&format!("440 {owner} {owner}"), "440 OWNER OWNER") + "--\n" + &outcome.stderr),
    );
    assert_eq!(fs::read_to_string(cache.join("new")).unwrap(), "new\n");
    assert_eq!(fs::read_to_string(other.join("usr/lib/data")).unwrap(), "data\n");
    assert_eq!(workspace.commit().unwrap(), None);

    let absent = Mount { target: "/x".to_owned(), source: layers("/nope"), read_only: true };
    let error = workspace.run(&Command { mounts: vec![absent], ..shell("true") }, &|_, _| (), &Stop::new().unwrap());
    assert_eq!(error.unwrap_err().to_string(), "`/nope` is not there to be mounted on `/x`");
    assert_eq!(says(&mut workspace, "ls /"), "bin\ndev\netc\nproc\nsys\n");
}

fn mounts_in_mounts(world: &World) {
    let mut workspace = world.begin(vec![world.busybox()]);
    let cache = world.folder();
    let mount = |target: &str, source| Mount { target: target.to_owned(), source, read_only: false };
    let mounts = vec![
        mount("/a/b/c", Source::Tmpfs { size: None }),
        mount("/a", Source::Folder(cache.clone())),
        mount("/dev/pipes/EOF", Source::Secret { content: b"in\n".to_vec(), mode: 0o500, uid: 0, gid: 0 }),
    ];
    let outcome =
        run_in(&mut workspace, &Command { mounts, ..shell("touch /a/b/c/lost /a/b/kept; cat /dev/pipes/EOF") });
    assert_eq!((outcome.ended, outcome.stdout.as_str(), outcome.stderr.as_str()), (Ended::Exited(0), "in\n", ""));
    expect![[r#"
        b/ 40755 0:0
        b/c/ 40755 0:0
        b/kept 100644 0:0 ""
    "#]]
    .assert_eq(&listing(&cache));
    assert_eq!(workspace.commit().unwrap(), None);
}

fn what_is_written_is_handed_on_as_it_comes(world: &World) {
    const WRITTEN: u64 = 1 << 30;
    let mut workspace = world.begin(vec![world.busybox()]);
    let before = peak_memory();
    let heard = AtomicU64::new(0);
    let hear = |_, chunk: &[u8]| {
        heard.fetch_add(chunk.len() as u64, Ordering::Relaxed);
    };
    let line = shell(&format!("head -c {WRITTEN} /dev/zero; echo complaint >&2"));
    assert_eq!(workspace.run(&line, &hear, &Stop::new().unwrap()).unwrap(), Ended::Exited(0));
    assert_eq!(heard.into_inner(), WRITTEN + 10);
    let grown = peak_memory().saturating_sub(before);
    assert!(grown < 4 << 10, "{grown} KiB more");
}

/// The most memory that this process ever had, in KiB.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn nothing_runs_after_the_command(world: &World) {
    let mut workspace = world.begin(vec![world.busybox()]);
    let cache = world.folder();
    let mounts = vec![Mount { target: "/cache".to_owned(), source: Source::Folder(cache.clone()), read_only: false }];
    // It holds the command's output open, and would go on writing.
    let line = "busybox setsid sh -c 'trap \"\" HUP TERM; while :; do echo x >> /cache/beats; done' & until test -s /cache/beats; do :; done";
    let outcome = run_in(&mut workspace, &Command { mounts, ..shell(line) });
    assert_eq!(outcome.ended, Ended::Exited(0));
    assert!(!runs_something_with("/cache/beats"));
    assert!(fs::metadata(cache.join("beats")).unwrap().len() > 0);
    drop(workspace);
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(world.folder.to_str().unwrap()), "{mounts}");
}

fn a_command_runs_among_the_processes_of_another(world: &World) {
    let mut workspace = world.begin(vec![world.busybox()]);
    let said = Mutex::new(String::new());
    let hear = |_, chunk: &[u8]| said.lock().unwrap().push_str(&String::from_utf8_lossy(chunk));
    // Without namespaces there is nothing but files that both see.
    let made = if world.is_chroot() { "/made" } else { "/dev/shm/made" };
    let main = shell(&format!("echo main > {made}; exec sleep 1000004321"));
    let main = Command { hostname: "main".to_owned(), ..main };
    let (ended, ()) = workspace
        .run_beside(&main, &|_, _| (), |beside| {
            let run = |command| beside.run(command, &hear, &Stop::new().unwrap());
            let looks = format!("until test -s {made}; do :; done; cat {made}; sleep 1000005432 & kill -0 $!");
            assert_eq!(run(shell(&looks))?, Ended::Exited(0));
            if !world.is_chroot() {
                let looks = "until grep -q 1000004321 /proc/1/cmdline; do :; done; hostname; id -u; exit 7";
                assert_eq!(run(shell(looks))?, Ended::Exited(7));
                assert_eq!(run(shell("kill -9 $$"))?, Ended::Signalled(9));
                assert_eq!(*said.lock().unwrap(), "main\nmain\n0\n");
            }
            let limits = Limits { time: Some(Duration::from_millis(100)), ..Limits::default() };
            assert_eq!(run(Command { limits, ..shell("sleep 1000") })?, Ended::TimedOut);
            assert!(matches!(run(command(&["/nothing"]))?, Ended::NotStarted(why) if why.contains("no such file")));
            assert!(!beside.has_ended());
            Ok(())
        })
        .unwrap();
    assert_eq!(ended, Ended::Stopped);
    for left in ["1000004321", "1000005432"] {
        assert!(!runs_something_with(left), "{left}");
    }
    let late = |beside: &Beside<'_>| {
        while !beside.has_ended() {
            std::thread::yield_now();
        }
        beside.run(shell("true"), &|_, _| (), &Stop::new().unwrap())
    };
    let (ended, late) = workspace.run_beside(&shell("exit 3"), &|_, _| (), late).unwrap();
    assert_eq!(ended, Ended::Exited(3));
    let too_late = Ended::NotStarted("what it belongs to has ended".to_owned());
    assert_eq!(late, if world.is_chroot() { Ended::Exited(0) } else { too_late });
}

fn a_command_is_limited(world: &World) {
    let mut workspace = world.begin(vec![world.busybox()]);
    let limited = |line: &str, memory, pids| {
        let limits = Limits { time: Some(Duration::from_secs(60)), memory, pids };
        Command { limits, ..shell(line) }
    };
    let eats = "busybox awk 'BEGIN { s = \"x\"; while (length(s) < 300000000) s = s s; print length(s) }'";
    let outcome = run_in(&mut workspace, &limited(eats, Some(100 << 20), None));
    assert!(!matches!(outcome.ended, Ended::Exited(0) | Ended::TimedOut), "{:?}", outcome.ended);
    if world.is_chroot() {
        // Nothing bounds the processes of this one but its container; those that there are must be found and killed.
        let mut many =
            limited("f() { g & sleep 1000; }; g() { h & sleep 1000; }; h() { sleep 1000; }; f & f & f", None, None);
        many.limits.time = Some(Duration::from_millis(200));
        assert_eq!(run_in(&mut workspace, &many).ended, Ended::TimedOut);
        assert!(!runs_something_with("f() {"));
        return;
    }
    let forks = "f() { f | f & }; f; i=0; while test $i -lt 200; do sleep 100 & i=$((i + 1)); done";
    let outcome = run_in(&mut workspace, &limited(forks, None, Some(50)));
    assert!(outcome.stderr.contains("can't fork"), "{:?} {}", outcome.ended, outcome.stderr);
    let mut endless = limited("f() { f | f & }; f; sleep 1000", None, Some(200));
    endless.limits.time = Some(Duration::from_millis(200));
    let outcome = run_in(&mut workspace, &endless);
    assert!(matches!(outcome.ended, Ended::TimedOut | Ended::Exited(_)), "{:?}", outcome.ended);
    assert!(!runs_something_with("f() {"));
}

fn no_network(world: &World) {
    let mut workspace = world.begin(vec![world.busybox()]);
    if world.is_chroot() {
        let command = Command { network: Network::None, ..shell("true") };
        let error = workspace.run(&command, &|_, _| (), &Stop::new().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "a command without network needs namespaces, which this machine does not give");
        return;
    }
    let line = "ls /sys/class/net; cat /etc/resolv.conf; busybox ip addr show lo | grep -c 'inet 127.0.0.1'";
    let outcome = run_in(&mut workspace, &Command { network: Network::None, ..shell(line) });
    assert_eq!((outcome.ended, outcome.stdout.as_str(), outcome.stderr.as_str()), (Ended::Exited(0), "lo\n1\n", ""));
}

fn a_hundred_and_fifty_layers(world: &World) {
    let mut layers = vec![world.busybox()];
    for i in 0..150 {
        let layer = world.folder();
        fs::write(layer.join(format!("file-{i}")), "").unwrap();
        layers.push(layer);
    }
    let mut workspace = world.begin(layers);
    assert_eq!(says(&mut workspace, "ls / | grep -c file"), "150\n");
}
