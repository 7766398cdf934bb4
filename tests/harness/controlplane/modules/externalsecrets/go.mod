module netbird-streaming-operator/controlplane/externalsecrets

go 1.26.0

// Nothing of it is built: its definition of ExternalSecret is what is needed.
require github.com/external-secrets/external-secrets v0.16.2
