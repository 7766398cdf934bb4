module netbird-streaming-operator/controlplane/argocd

go 1.26.3

// Nothing of it is built: its definitions of Application, ApplicationSet and AppProject are what is needed.
require github.com/argoproj/argo-cd/v3 v3.5.7
