module netbird-streaming-operator/controlplane/prometheusoperator

go 1.26.0

// Nothing of it is built: its definitions of PodMonitor and PrometheusRule are what is needed.
require github.com/prometheus-operator/prometheus-operator v0.85.0
