//! Command tests: each in a container of its own, made of what its setup made of the image.

use bollard::models::{ContainerConfig, ContainerCreateBody};
use bollard::query_parameters::CommitContainerOptionsBuilder;

use super::leftovers::image_id;
use super::{Findings, Tests, Trouble, no_healthcheck, not_ended};
use crate::docker::Failure;
use crate::docker::commands::{self, Ended, Output};
use crate::engine::test::{command_failures, environment};
use crate::event::Event;
use crate::model::{CommandTest, ContainerOptions, Environment};

impl Tests<'_> {
    pub(super) async fn command(&mut self, test: &CommandTest, findings: &mut Findings) -> Result<(), Trouble> {
        let limit = self.limit(test.timeout)?;
        let deadline = tokio::time::Instant::now() + limit.time;
        let left = || deadline.saturating_duration_since(tokio::time::Instant::now());
        let of_image = environment::of_image(self.config.env.as_deref().unwrap_or_default());
        let shared = environment::lay_over(&of_image, &test.global_env);
        let all = environment::lay_over(&shared, &test.env);

        let mut image = self.image.id.to_string();
        for command in &test.setup {
            let what = format!("setup `{}`", command.join(" "));
            let container = self.create(self.command_container(&image, command, &all, &test.options)).await?;
            findings.container = Some(container.clone());
            findings.output = Output::default();
            let ended = commands::run_to_end(self.docker, &container, left(), &mut findings.output).await?;
            if let Some(trouble) = not_ended(&what, &ended, &limit) {
                return Err(trouble);
            }
            if let Ended::Exited(code @ 1..) = ended {
                self.events.send(Event::Warning(format!("{what} of `{}` exited with {code}", test.name)));
            }
            image = self.commit(&container).await?;
        }

        let mut command = test.command.clone();
        if test.expand {
            command.iter_mut().for_each(|word| *word = environment::expand(word, &all));
        }
        let body = ContainerCreateBody {
            tty: Some(test.options.tty),
            ..self.command_container(&image, &command, &all, &test.options)
        };
        let container = self.create(body).await?;
        findings.container = Some(container.clone());
        findings.output = Output::default();
        let ended = commands::run_to_end(self.docker, &container, left(), &mut findings.output).await?;
        if let Some(trouble) = not_ended("it", &ended, &limit) {
            return Err(trouble);
        }
        if let Ended::Exited(code) = ended {
            findings.failures.extend(command_failures(test, code, &findings.output));
        }
        Ok(())
    }

    fn command_container(
        &self,
        image: &str,
        command: &[String],
        environment: &Environment,
        options: &ContainerOptions,
    ) -> ContainerCreateBody {
        let ContainerOptions { user, privileged, tty: _, capabilities } = options;
        let (program, arguments) = command.split_at(command.len().min(1));
        let mut body = self.container(image);
        // The program is the entrypoint, because an engine puts the image's own before a mere command.
        body.entrypoint = Some(program.to_vec());
        body.cmd = Some(arguments.to_vec());
        body.env = Some(environment.iter().map(|(name, value)| format!("{name}={value}")).collect());
        body.user.clone_from(user);
        body.healthcheck = Some(no_healthcheck());
        let host = body.host_config.get_or_insert_default();
        host.privileged = Some(*privileged);
        host.cap_add = Some(capabilities.clone());
        body
    }

    /// Makes an image of what a container changed, and removes the container.
    async fn commit(&mut self, container: &str) -> Result<String, Failure> {
        let options = CommitContainerOptionsBuilder::new().container(container).build();
        let image = image_id(self.docker.commit_container(options, ContainerConfig::default()).await?.id);
        self.left.add_image(image.clone());
        commands::remove(self.docker, container).await?;
        Ok(image)
    }
}
