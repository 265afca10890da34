//! Agents of SSH, as BuildKit asks for them (BuildKit, `session/sshforward`): each connection of a command is a stream of
//! bytes to and from the socket here.

use std::pin::Pin;

use bollard_buildkit_proto::moby::sshforward::v1::ssh_server::Ssh;
use bollard_buildkit_proto::moby::sshforward::v1::{BytesMessage, CheckAgentRequest, CheckAgentResponse};
use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tonic::{Request, Response, Status, Streaming};

use crate::engine::SshAgent;
use crate::engine::ssh::DEFAULT_ID;

/// The header that says which agent is meant (BuildKit, `session/sshforward.KeySSHID`).
const ID: &str = "buildkit.ssh.id";
/// How many bytes a message has at most; arbitrary.
const PIECE: usize = 32 << 10;

/// The agents that a build may use.
pub(super) struct Agents(pub(super) Vec<SshAgent>);

impl Agents {
    fn find(&self, id: &str) -> Result<&SshAgent, Status> {
        let id = if id.is_empty() { DEFAULT_ID } else { id };
        let found = self.0.iter().find(|agent| agent.id == id);
        // As BuildKit has it where a session has no agents at all.
        found.ok_or_else(|| Status::not_found(format!("no SSH key \"{id}\" forwarded from the client")))
    }
}

#[tonic::async_trait]
impl Ssh for Agents {
    async fn check_agent(&self, request: Request<CheckAgentRequest>) -> Result<Response<CheckAgentResponse>, Status> {
        self.find(&request.into_inner().id).map(|_| Response::new(CheckAgentResponse {}))
    }

    type ForwardAgentStream = Pin<Box<dyn Stream<Item = Result<BytesMessage, Status>> + Send>>;

    async fn forward_agent(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::ForwardAgentStream>, Status> {
        let id = request.metadata().get(ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
        let socket = &self.find(id)?.socket;
        let connected = UnixStream::connect(socket).await;
        let connected =
            connected.map_err(|error| Status::unavailable(format!("the agent does not answer: {error}")))?;
        let (reader, mut writer) = connected.into_split();
        let mut asked = request.into_inner();
        let answers = Box::pin(stream::try_unfold(reader, |mut reader| async move {
            let mut data = vec![0; PIECE];
            let n = reader.read(&mut data).await.map_err(|error| Status::unavailable(error.to_string()))?;
            data.truncate(n);
            Ok((n > 0).then_some((BytesMessage { data }, reader)))
        }));
        // What is asked is passed on for as long as answers are waited for: a stream that says nothing itself.
        let asking = stream::once(async move {
            while let Some(Ok(BytesMessage { data })) = asked.next().await {
                writer.write_all(&data).await.map_err(|error| Status::unavailable(error.to_string()))?;
            }
            writer.shutdown().await.map_err(|error| Status::unavailable(error.to_string()))
        });
        let asking = asking.filter_map(|asked: Result<(), Status>| async { asked.err().map(Err) });
        Ok(Response::new(Box::pin(stream::select(answers, asking))))
    }
}
