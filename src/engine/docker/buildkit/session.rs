//! What a build asks of us while BuildKit runs it: folders, secrets and credentials, and whether we are still there.

use std::collections::BTreeMap;

use bollard_buildkit_proto::health::health_check_response::ServingStatus;
use bollard_buildkit_proto::health::health_server::{Health, HealthServer};
use bollard_buildkit_proto::health::{HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::{Secrets, SecretsServer};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use bollard_buildkit_proto::moby::filesync::v1::auth_server::{Auth, AuthServer};
use bollard_buildkit_proto::moby::filesync::v1::file_sync_server::FileSyncServer;
use bollard_buildkit_proto::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest,
    GetTokenAuthorityResponse, VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse,
};
use bollard_buildkit_proto::moby::sshforward::v1::ssh_server::SshServer;
use futures_util::stream::{self, StreamExt};
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::HEADERS_AT_MOST;
use super::agents::Agents;
use super::file_sync::Folders;
use crate::docker::{Failure, Hangup, Upgraded, upgrade};
use crate::registry::{Credentials, Keychain};

/// What is served, as BuildKit wants it told beforehand. Of `Auth`, only what hands out stored credentials: the
/// daemon then fetches tokens itself.
const METHODS: [&str; 6] = [
    "/grpc.health.v1.Health/Check",
    "/moby.filesync.v1.FileSync/DiffCopy",
    "/moby.filesync.v1.Auth/Credentials",
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    "/moby.sshforward.v1.SSH/CheckAgent",
    "/moby.sshforward.v1.SSH/ForwardAgent",
];

/// What one build may ask for.
pub(super) struct Session {
    pub(super) id: String,
    pub(super) shared_key: String,
    pub(super) folders: Folders,
    pub(super) secrets: BTreeMap<String, Vec<u8>>,
    pub(super) agents: Agents,
    pub(super) keychain: Keychain,
}

impl Session {
    /// Opens the session at the engine. What comes back is to be polled all the while, and ends the session when it
    /// is dropped.
    pub(super) async fn open(self, host: &str) -> Result<(impl Future<Output = ()> + use<>, Hangup), Failure> {
        let mut headers = vec![
            ("X-Docker-Expose-Session-Uuid", self.id.as_str()),
            ("X-Docker-Expose-Session-Name", "windlass"),
            ("X-Docker-Expose-Session-Sharedkey", self.shared_key.as_str()),
        ];
        headers.extend(METHODS.map(|method| ("X-Docker-Expose-Session-Grpc-Method", method)));
        let (connection, hangup) = upgrade(host, "/session", &headers).await?;
        Ok((serve(self, connection), hangup))
    }
}

async fn serve(session: Session, connection: Upgraded) {
    let Session { id: _, shared_key: _, folders, secrets, agents, keychain } = session;
    let server = Server::builder()
        .http2_max_header_list_size(HEADERS_AT_MOST)
        .add_service(HealthServer::new(Alive))
        .add_service(FileSyncServer::new(folders))
        .add_service(SecretsServer::new(Values(secrets)))
        .add_service(SshServer::new(agents))
        .add_service(AuthServer::new(Who(keychain)));
    let one_connection = stream::iter([Ok::<_, std::io::Error>(connection)]).chain(stream::pending());
    // It serves until it is dropped; a connection that breaks shows in the build.
    let _served = server.serve_with_incoming(one_connection).await;
}

struct Alive;

#[tonic::async_trait]
impl Health for Alive {
    type WatchStream = stream::Pending<Result<HealthCheckResponse, Status>>;

    async fn check(&self, _request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
    }

    async fn list(&self, _request: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        Err(not_served())
    }

    async fn watch(&self, _request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(not_served())
    }
}

struct Values(BTreeMap<String, Vec<u8>>);

#[tonic::async_trait]
impl Secrets for Values {
    async fn get_secret(&self, request: Request<GetSecretRequest>) -> Result<Response<GetSecretResponse>, Status> {
        let id = request.into_inner().id;
        match self.0.get(&id) {
            Some(value) => Ok(Response::new(GetSecretResponse { data: value.clone() })),
            None => Err(Status::not_found(format!("secret `{id}` is not given"))),
        }
    }
}

struct Who(Keychain);

#[tonic::async_trait]
impl Auth for Who {
    async fn credentials(&self, request: Request<CredentialsRequest>) -> Result<Response<CredentialsResponse>, Status> {
        let host = request.into_inner().host;
        let registry = if host == "registry-1.docker.io" { "docker.io" } else { &host };
        let ours = self.0.credentials_for(registry).await.map_err(|error| Status::internal(error.to_string()))?;
        let (username, secret) = match ours {
            Credentials::Anonymous => (String::new(), String::new()),
            Credentials::Password { username, password } => (username, password),
            // BuildKit takes a secret without a user for a refresh token.
            Credentials::IdentityToken(token) | Credentials::RegistryToken(token) => (String::new(), token),
        };
        Ok(Response::new(CredentialsResponse { username, secret }))
    }

    async fn fetch_token(&self, _: Request<FetchTokenRequest>) -> Result<Response<FetchTokenResponse>, Status> {
        Err(not_served())
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(not_served())
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(not_served())
    }
}

fn not_served() -> Status {
    Status::unimplemented("not served by this session")
}
