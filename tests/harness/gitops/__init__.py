"""What Argo CD, Flux and Helm make of our resources, as far as it can be told without them."""
