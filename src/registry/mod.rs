//! A client of OCI registries over oci-client: credentials, retries, retags. Decides nothing.
