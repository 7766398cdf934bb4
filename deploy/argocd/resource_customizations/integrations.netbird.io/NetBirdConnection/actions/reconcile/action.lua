-- Any new value requests a reconcile. The resourceVersion changes with each write, so no two requests are equal.
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["integrations.netbird.io/reconcile-requested-at"] = "argocd-" .. obj.metadata.resourceVersion
return obj
