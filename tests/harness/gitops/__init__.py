"""How Argo CD, Flux and Helm judge the operator's resources, without running them."""
