//! The keys of `windlass.yaml`: one table that the reader takes the allowed keys from and the JSON Schema everything.

/// A map with known keys.
pub(super) struct Shape {
    /// Its name in the schema.
    pub(super) id: &'static str,
    /// What it is for, as a sentence.
    pub(super) about: &'static str,
    /// Its keys, in the order in which they are explained.
    pub(super) keys: &'static [Key],
    /// Those that must be given.
    pub(super) required: &'static [&'static str],
    /// Of these exactly one must be given; empty for no such rule.
    pub(super) one_of: &'static [&'static str],
}

/// One key.
pub(super) struct Key {
    /// The key as it is written.
    pub(super) name: &'static str,
    /// What its value is.
    pub(super) kind: Kind,
    /// What it says, as sentences.
    pub(super) about: &'static str,
    /// What holds where it is left away, as JSON; empty where that can't be said by a value.
    pub(super) default: &'static str,
}

/// What a value is.
pub(super) enum Kind {
    /// A text.
    Text,
    /// A text, or a number or boolean that is taken as it is written.
    Written,
    /// A text of one form, told as a regular expression.
    Formed(&'static str),
    /// The same, or a number that is taken as it is written.
    FormedOrNumber(&'static str),
    /// `true` or `false`.
    Boolean,
    /// A number in a range, both ends included.
    Integer(i64, i64),
    /// A regular expression, or a list of such.
    Patterns,
    /// A list.
    List(&'static Kind),
    /// A list of so many elements, first the least, then the most.
    ShortList(&'static Kind, usize, usize),
    /// Values by names of one form, told as a regular expression; what is [`Kind::Written`] is a value.
    Texts(&'static str),
    /// Things by names of one form; names that start with `x-` are passed over.
    Named(&'static str, &'static Kind),
    /// A map with known keys.
    Shape(&'static Shape),
    /// The one or the other.
    Either(&'static Kind, &'static Kind),
    /// The containers of a deploy manifest, by name.
    Containers,
    /// The networks of a deploy manifest, by name.
    Networks,
}

impl Shape {
    /// The allowed keys.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }
}

const fn key(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, kind, about, default: "" }
}

const fn with_default(key: Key, default: &'static str) -> Key {
    Key { default, ..key }
}

// The forms must allow all that the types' `FromStr` allow, and should refuse what those refuse: an editor tells
// early, the reader tells for good.
pub(super) const HOST_LABEL: &str = "^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$";
const IMAGE_NAME: &str = "^[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*$";
const REGISTRY: &str = "^[A-Za-z0-9\\[][A-Za-z0-9.:\\[\\]_-]*(/[a-z0-9._-]+)*$";
const TAG: &str = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$";
const PLATFORM: &str = "^[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?$";
const DURATION: &str = "^(?=[0-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$";
const RELATIVE: &str = "^[^/]";
const VARIABLE: &str = "^[A-Za-z_][A-Za-z0-9_]*$";
const SECRET_ID: &str = "^[A-Za-z0-9_.-]+$";
const MODE: &str = "^0?[0-7]{3,4}$";
const OWNER: &str = "^(root|[0-9]+)$";
const REMOTE: &str = "^((https?|ssh|git)://[^/#?\\s]+/|file:///|[^/:\\s]+:[^:-])[^#?\\s]*$";
const REF: &str = "^[^-\\s~^:?*\\[\\\\][^\\s~^:?*\\[\\\\]*$";
const CONTEXT_NAME: &str = "^[^=\\s]+$";

const A_NAME: Kind = Kind::Formed(IMAGE_NAME);
const A_DURATION: Kind = Kind::Formed(DURATION);
const A_TAG: Kind = Kind::FormedOrNumber(TAG);
const A_FOLDER: Kind = Kind::Formed(RELATIVE);

/// The whole file.
pub(super) static FILE: Shape = Shape {
    id: "windlass.yaml",
    about: "What windlass builds, tests, publishes and deploys. Keys that start with `x-` are passed over everywhere.",
    required: &["version"],
    one_of: &[],
    keys: &[
        key("version", Kind::Integer(1, 1), "The version of this format: 1."),
        key(
            "project",
            Kind::Formed(HOST_LABEL),
            "The project's name: what its containers, networks and volumes begin with. Default: the root folder's name.",
        ),
        key(
            "registry",
            Kind::Formed(REGISTRY),
            "What is put before the names of the images: a registry's host, a folder in it, or both, such as \
             `ghcr.io/acme`. `FROM ghcr.io/acme/base` is then an edge to the image `base`.",
        ),
        key(
            "ignore",
            Kind::List(&Kind::Text),
            "Where no Dockerfile is an image unless `images` says so, as patterns of a `.gitignore` at the root, such \
             as `testdata/`.",
        ),
        key("tags", Kind::Shape(&TAGS), "What the channels are called."),
        key("defaults", Kind::Shape(&DEFAULTS), "What holds for every image that does not say otherwise."),
        key(
            "images",
            Kind::Named(IMAGE_NAME, &Kind::Shape(&IMAGE)),
            "What Dockerfiles do not say, by the image's name. Every Dockerfile below the root that no image names is an image too.",
        ),
        key("deploy", Kind::Shape(&DEPLOY), "What runs on hosts."),
    ],
};

static TAGS: Shape = Shape {
    id: "tags",
    about: "The names of the channels. No two may be the same.",
    required: &[],
    one_of: &[],
    keys: &TAGS_KEYS,
};

static TAGS_KEYS: [Key; 3] = [
    with_default(key("testing", A_TAG, "The tag of what is built and not tested yet."), "\"testing\""),
    with_default(key("latest", A_TAG, "The tag of what passed its tests last."), "\"latest\""),
    with_default(key("previous", A_TAG, "The tag of what was latest before, to go back to."), "\"previous\""),
];

/// What the channels are called, of the file or of an image.
pub(super) static CHANNELS: &Shape = &TAGS;

/// What holds for every image.
pub(super) static DEFAULTS: Shape = Shape {
    id: "defaults",
    about: "What holds for every image that does not say otherwise.",
    required: &[],
    one_of: &[],
    keys: &[
        with_default(key("platforms", PLATFORMS, PLATFORMS_ABOUT), "[\"linux/amd64\"]"),
        with_default(key("timeout", A_DURATION, TIMEOUT_ABOUT), "\"30m\""),
        with_default(key("retries", RETRIES, RETRIES_ABOUT), "0"),
    ],
};

const PLATFORMS: Kind = Kind::ShortList(&Kind::Formed(PLATFORM), 1, 1);
const PLATFORMS_ABOUT: &str = "The platform that images are built for, as `os/architecture`. One is built.";
const TIMEOUT_ABOUT: &str = "How long a build may take, and the tests of an image: `90s`, `1h30m`.";
/// How often a build may be tried again at most. Arbitrary.
pub(super) const RETRIES_AT_MOST: i64 = 10;
const RETRIES: Kind = Kind::Integer(0, RETRIES_AT_MOST);
const RETRIES_ABOUT: &str = "How often a build is tried again when the engine could not be reached.";

/// An image.
pub(super) static IMAGE: Shape = Shape {
    id: "image",
    about: "An image of the project.",
    required: &[],
    one_of: &[],
    keys: &[
        key(
            "context",
            A_FOLDER,
            "The folder that is sent to the builder, from the project's root. Default: the folder of the Dockerfile that is found for the image's name.",
        ),
        key(
            "git",
            Kind::Formed(REMOTE),
            "The git repository with the files of the image, in place of `context`: `https://…`, `ssh://…`, `file:///…` or `user@host:path`, never with a password.",
        ),
        with_default(
            key(
                "ref",
                Kind::FormedOrNumber(REF),
                "What is built of the repository: a branch, a tag, `refs/…`, or all digits of a commit. windlass.lock says which commit a name means.",
            ),
            "\"HEAD\"",
        ),
        with_default(
            key("path", A_FOLDER, "The folder of the repository that is sent to the builder, as `context` is."),
            "\".\"",
        ),
        with_default(
            key("submodules", Kind::Boolean, "Whether the files of the repository's submodules belong to it."),
            "false",
        ),
        key(
            "dockerfile",
            A_FOLDER,
            "The Dockerfile, as a path from the context. Default: the `Dockerfile` or `Containerfile` in it.",
        ),
        key("target", Kind::Text, "The stage to build. Default: the last one."),
        key("args", Kind::Texts(VARIABLE), "Build arguments by name."),
        key(
            "contexts",
            Kind::Named(CONTEXT_NAME, &Kind::Either(&A_FOLDER, &Kind::Shape(&NAMED_CONTEXT))),
            "Named contexts: what `FROM name` and `COPY --from=name` take in place of an image of that name. A folder from the project's root, or another image.",
        ),
        key("secrets", Kind::List(&Kind::Shape(&SECRET)), "Secrets for `RUN --mount=type=secret`."),
        key(
            "files",
            Kind::List(&Kind::Shape(&INJECTED)),
            "Files that are added to the context, such as keys that are not kept in git. A changed file rebuilds the image.",
        ),
        key(
            "needs",
            Kind::List(&A_NAME),
            "Images that must be built before this one, where its Dockerfile does not show it in FROM, COPY --from, mounts or build arguments.",
        ),
        key("platforms", PLATFORMS, PLATFORMS_ABOUT),
        key("timeout", A_DURATION, TIMEOUT_ABOUT),
        key("retries", RETRIES, RETRIES_ABOUT),
        key("tags", Kind::Shape(&TAGS), "What the channels of this image are called."),
        key(
            "labels",
            Kind::Texts("^(?!dev\\.windlass\\.)."),
            "Labels of the image besides those of its Dockerfile. `dev.windlass.` is windlass' own.",
        ),
        key("test", Kind::Shape(&TEST), "What the image must show before it is promoted."),
    ],
};

/// A named context that is no folder.
pub(super) static NAMED_CONTEXT: Shape = Shape {
    id: "named_context",
    about: "A named context that is another image.",
    required: &["image"],
    one_of: &[],
    keys: &[key("image", A_NAME, "An image of the project. It is built first.")],
};

/// A secret of a build.
pub(super) static SECRET: Shape = Shape {
    id: "secret",
    about: "A secret that a build may read. Its value is never in this file.",
    required: &["id"],
    one_of: &["env", "file"],
    keys: &[
        key("id", Kind::Formed(SECRET_ID), "What the Dockerfile calls it: `RUN --mount=type=secret,id=…`."),
        key("env", Kind::Formed(VARIABLE), "The environment variable that holds its value."),
        key("file", Kind::Text, "The file that holds its value, as a path from the project's root or an absolute one."),
    ],
};

/// A file that is added to a context.
pub(super) static INJECTED: Shape = Shape {
    id: "file",
    about: "A file that is added to an image's context.",
    required: &["path", "from"],
    one_of: &[],
    keys: &[
        key("path", A_FOLDER, "Where in the context. It hides a file that stands there."),
        key("from", Kind::Shape(&FROM), "Where its content is."),
        with_default(key("mode", Kind::FormedOrNumber(MODE), "Permission bits, octal: `\"0640\"`."), "\"0644\""),
        with_default(key("user", Kind::FormedOrNumber(OWNER), "Its owner: a number or `root`."), "\"root\""),
        with_default(key("group", Kind::FormedOrNumber(OWNER), "Its group: a number or `root`."), "\"root\""),
    ],
};

/// Where an added file's content is.
pub(super) static FROM: Shape = Shape {
    id: "file_from",
    about: "Where the content of an added file is.",
    required: &[],
    one_of: &["env", "file", "text"],
    keys: &[
        key("env", Kind::Formed(VARIABLE), "The environment variable that holds the content."),
        key(
            "file",
            Kind::Text,
            "The file that holds the content, as a path from the project's root or an absolute one.",
        ),
        key("text", Kind::Written, "The content itself."),
    ],
};

/// What an image must show.
pub(super) static TEST: Shape = Shape {
    id: "test",
    about: "What an image must show before it is promoted.",
    required: &[],
    one_of: &[],
    keys: &[
        key("run", Kind::List(&Kind::Shape(&RUN)), "Commands, each run in a container of its own."),
        key("structure", Kind::List(&A_FOLDER), "Files of container-structure-test, as paths from the project's root."),
        key("healthy", A_DURATION, "The image, started as it is, must be healthy by its HEALTHCHECK within this time."),
    ],
};

/// A command that must succeed.
pub(super) static RUN: Shape = Shape {
    id: "run",
    about: "A command, run in a container of the image.",
    required: &["cmd"],
    one_of: &[],
    keys: &[
        key("name", Kind::Written, "What the summary calls it. Default: the command."),
        key(
            "cmd",
            Kind::ShortList(&Kind::Written, 1, usize::MAX),
            "The program and its arguments, without a shell and without the image's entrypoint.",
        ),
        key("stdout", Kind::Patterns, "A regular expression, or several, that standard output must match somewhere."),
        key("stderr", Kind::Patterns, "A regular expression, or several, that standard error must match somewhere."),
        with_default(key("exit", Kind::Integer(0, 255), "The exit code that is right."), "0"),
        key("timeout", A_DURATION, "How long it may run. Default: as long as all tests of the image together may."),
        key(
            "env",
            Kind::Texts(VARIABLE),
            "Environment variables on top of the image's. `$NAME` in a value stands for what is set already.",
        ),
    ],
};

/// What runs on hosts.
pub(super) static DEPLOY: Shape = Shape {
    id: "deploy",
    about: "What runs on hosts, for the deploy manifest.",
    required: &[],
    one_of: &[],
    keys: &[
        key("containers", Kind::Containers, "The containers by name."),
        key(
            "networks",
            Kind::Networks,
            "The networks that containers can be on, by name. `default` is the project's, which needs no entry.",
        ),
    ],
};
