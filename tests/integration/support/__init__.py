"""What the integration tests share: servers, clients, certificates, the proxy itself."""
