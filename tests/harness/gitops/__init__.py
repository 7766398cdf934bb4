"""Judgements of Argo CD, Flux and Helm about the operator's resources, without running them."""
