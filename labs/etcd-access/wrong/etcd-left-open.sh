# RBAC is mended; the other door stays open.
kubectl delete clusterrolebinding $bot-anything
kubectl -n $space create role pods --verb=get,list,watch --resource=pods
kubectl -n $space create rolebinding pods --role=pods --serviceaccount=$space:$bot
