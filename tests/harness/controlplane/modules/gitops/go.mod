module netbird-streaming-operator/controlplane/gitops

go 1.26.3

// Nothing of these is built: they hold the resource definitions that the examples are applied against.
require (
	github.com/argoproj/argo-cd/v3 v3.5.7
	github.com/external-secrets/external-secrets v0.16.2
	github.com/fluxcd/kustomize-controller v1.9.6
	github.com/fluxcd/source-controller v1.9.6
)
