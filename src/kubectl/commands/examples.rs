//! Examples of the commands: what each does, and the line to type. They work on a
//! cluster of a lab, as far as the objects that they name are there.

/// The examples of a command, by its words after `kubectl`.
pub fn of(command: &str) -> &'static [(&'static str, &'static str)] {
    EXAMPLES
        .iter()
        .find(|(path, _)| *path == command)
        .map_or(&[], |(_, examples)| examples)
}

/// What an example does, and its line without `kubectl`.
type Examples = &'static [(&'static str, &'static str)];

#[rustfmt::skip]
const EXAMPLES: &[(&str, Examples)] = &[
    ("annotate", &[
        ("Say whose a Deployment is", "annotate deployment web owner='the shop team'"),
        ("Take the annotation away again", "annotate deployment web owner-"),
    ]),
    ("api-resources", &[
        ("All types that live in namespaces, with what can be done with them", "api-resources --namespaced=true -o wide"),
        ("The types of one API group", "api-resources --api-group=rbac.authorization.k8s.io"),
    ]),
    ("api-versions", &[
        ("The groups and versions that the server knows", "api-versions"),
    ]),
    ("apply", &[
        ("Make what a file says, or change it until it is so", "apply -f web.yaml"),
        ("Let the server say whether it would take all files of a folder", "apply -f manifests/ --dry-run=server"),
        ("Read the manifest from another command", "apply -f -"),
    ]),
    ("apply view-last-applied", &[
        ("What was applied last", "apply view-last-applied deployment/web"),
    ]),
    ("auth", &[
        ("All that you may do in this namespace", "auth can-i --list"),
    ]),
    ("auth can-i", &[
        ("May I make Pods here?", "auth can-i create pods"),
        ("May a service account read Secrets in kube-system?", "auth can-i get secrets -n kube-system --as=system:serviceaccount:default:robot"),
        ("All that a user may do", "auth can-i --list --as=jane"),
    ]),
    ("auth whoami", &[
        ("Who the server takes you for", "auth whoami"),
    ]),
    ("autoscale", &[
        ("Two to five replicas, by the use of CPU", "autoscale deployment web --min=2 --max=5 --cpu-percent=80"),
        ("Look at the manifest only", "autoscale deployment web --max=5 --dry-run=client -o yaml"),
    ]),
    ("certificate", &[
        ("Approve a request", "certificate approve jane"),
    ]),
    ("certificate approve", &[
        ("Approve the request of that name", "certificate approve jane"),
    ]),
    ("certificate deny", &[
        ("Deny the request of that name", "certificate deny jane"),
    ]),
    ("cluster-info", &[
        ("Where the API server is", "cluster-info"),
    ]),
    ("config", &[
        ("The contexts, and which one is in force", "config get-contexts"),
        ("Work in another namespace from now on", "config set-context --current --namespace=kube-system"),
    ]),
    ("config current-context", &[
        ("The context in force", "config current-context"),
    ]),
    ("config get-contexts", &[
        ("The names alone", "config get-contexts -o name"),
    ]),
    ("config set-cluster", &[
        ("Another address for a cluster, its authority's certificate written into the file", "config set-cluster kubernetes --server=https://10.0.0.1:6443 --certificate-authority=/etc/kubernetes/pki/ca.crt --embed-certs"),
    ]),
    ("config set-context", &[
        ("Another namespace for the current context", "config set-context --current --namespace=shop"),
        ("A new context of a cluster and a user that are there", "config set-context jane@kubernetes --cluster=kubernetes --user=jane"),
    ]),
    ("config set-credentials", &[
        ("A user with certificate and key, written into the file", "config set-credentials jane --client-certificate=jane.crt --client-key=jane.key --embed-certs"),
        ("A user with a token, in a file of its own", "config set-credentials robot --token=TOKEN --kubeconfig=robot.conf"),
    ]),
    ("config use-context", &[
        ("Change to another context", "config use-context kubernetes-admin@kubernetes"),
    ]),
    ("config view", &[
        ("What the current context uses", "config view --minify"),
        ("A field, keys and certificates not left out", "config view --raw -o jsonpath='{.users[0].name}'"),
    ]),
    ("cordon", &[
        ("Keep new Pods away from a node", "cordon node01"),
    ]),
    ("create", &[
        ("Make what a file says", "create -f pod.yaml"),
        ("Make a Deployment without a file", "create deployment web --image=nginx"),
    ]),
    ("create clusterrole", &[
        ("See Pods everywhere", "create clusterrole pod-reader --verb=get,list,watch --resource=pods"),
        ("Change Deployments and their scale", "create clusterrole deployer --verb=get,update,patch --resource=deployments.apps,deployments.apps/scale"),
        ("Ask for the server's own health", "create clusterrole health --verb=get --non-resource-url=/healthz"),
    ]),
    ("create clusterrolebinding", &[
        ("Give a user a role for the whole cluster", "create clusterrolebinding jane-reads --clusterrole=view --user=jane"),
        ("Give it to a group and to a service account", "create clusterrolebinding readers --clusterrole=view --group=dev --serviceaccount=default:robot"),
    ]),
    ("create configmap", &[
        ("Keys and values from the command line", "create configmap app --from-literal=color=blue --from-literal=size=10"),
        ("A file, under its name and under another", "create configmap app --from-file=app.conf --from-file=main=app.conf"),
        ("A key for each line of a file", "create configmap app --from-env-file=app.env"),
    ]),
    ("create cronjob", &[
        ("Print the date every five minutes", "create cronjob clock --image=busybox --schedule='*/5 * * * *' -- date"),
    ]),
    ("create deployment", &[
        ("Three Pods of an image", "create deployment web --image=nginx:1.27 --replicas=3"),
        ("Say the port and look at the manifest only", "create deployment web --image=nginx --port=80 --dry-run=client -o yaml"),
        ("With a command", "create deployment idle --image=busybox -- sleep 3600"),
    ]),
    ("create ingress", &[
        ("One host, all paths, to port 80 of a Service", "create ingress web --class=nginx --rule='shop.example.com/*=web:80'"),
        ("One path, with TLS from a Secret", "create ingress web --rule='shop.example.com/cart=cart:8080,tls=shop-cert'"),
        ("All that no rule is for", "create ingress rest --default-backend=web:80"),
    ]),
    ("create job", &[
        ("Run a command once", "create job once --image=busybox -- date"),
        ("Run a CronJob's work now", "create job now --from=cronjob/clock"),
    ]),
    ("create namespace", &[
        ("A namespace", "create namespace shop"),
        ("Its manifest only", "create namespace shop --dry-run=client -o yaml"),
    ]),
    ("create poddisruptionbudget", &[
        ("Keep one of the Pods at all times", "create poddisruptionbudget web --selector=app=web --min-available=1"),
        ("Let half of them be away", "create poddisruptionbudget web --selector=app=web --max-unavailable=50%"),
    ]),
    ("create priorityclass", &[
        ("A class for what matters more", "create priorityclass high --value=1000 --description='before all others'"),
        ("One that drives nobody out", "create priorityclass calm --value=100 --preemption-policy=Never"),
    ]),
    ("create quota", &[
        ("No more than this in a namespace", "create quota small --hard=pods=5,requests.cpu=1,limits.memory=2Gi -n shop"),
        ("Only count Pods without requests and limits", "create quota loose --hard=pods=2 --scopes=BestEffort"),
    ]),
    ("create role", &[
        ("Read Pods and their logs in a namespace", "create role pod-reader --verb=get,list,watch --resource=pods,pods/log -n shop"),
        ("Change two Deployments only", "create role two --verb=get,patch --resource=deployments.apps --resource-name=web --resource-name=cart"),
    ]),
    ("create rolebinding", &[
        ("Give a user a Role", "create rolebinding jane-reads --role=pod-reader --user=jane -n shop"),
        ("Give a service account a ClusterRole, in this namespace only", "create rolebinding robot-edits --clusterrole=edit --serviceaccount=shop:robot -n shop"),
    ]),
    ("create secret", &[
        ("A Secret of keys and values", "create secret generic db --from-literal=user=admin --from-literal=password=S3cret"),
    ]),
    ("create secret docker-registry", &[
        ("An account for pulling images", "create secret docker-registry pull --docker-server=registry.example.com --docker-username=me --docker-password=S3cret"),
    ]),
    ("create secret generic", &[
        ("Keys and values from the command line", "create secret generic db --from-literal=user=admin --from-literal=password=S3cret"),
        ("Files, one under another name", "create secret generic ssh --from-file=id_rsa --from-file=public=id_rsa.pub"),
        ("Of a type", "create secret generic basic --type=kubernetes.io/basic-auth --from-literal=username=me --from-literal=password=S3cret"),
    ]),
    ("create secret tls", &[
        ("A certificate and its key", "create secret tls shop-cert --cert=tls.crt --key=tls.key"),
    ]),
    ("create service", &[
        ("A Service for Pods with the label app=web", "create service clusterip web --tcp=80:8080"),
    ]),
    ("create service clusterip", &[
        ("Port 80 of the Service is port 8080 of Pods with the label app=web", "create service clusterip web --tcp=80:8080"),
        ("Without an address", "create service clusterip db --clusterip=None"),
    ]),
    ("create service externalname", &[
        ("Another name for a machine outside", "create service externalname db --external-name=db.example.com"),
    ]),
    ("create service loadbalancer", &[
        ("Ask for a load balancer", "create service loadbalancer web --tcp=80:8080"),
    ]),
    ("create service nodeport", &[
        ("On port 30080 of every node", "create service nodeport web --tcp=80:8080 --node-port=30080"),
    ]),
    ("create serviceaccount", &[
        ("An account for Pods", "create serviceaccount robot"),
        ("In another namespace", "create serviceaccount robot -n shop"),
    ]),
    ("create token", &[
        ("A token of a service account", "create token robot"),
        ("One that is good for a day", "create token robot --duration=24h"),
    ]),
    ("delete", &[
        ("One object, or several of a type", "delete pod web cart"),
        ("What a file made", "delete -f web.yaml"),
        ("All Pods with a label", "delete pods -l app=web"),
        ("At once, without waiting for the node", "delete pod web --force --grace-period=0"),
    ]),
    ("describe", &[
        ("A Pod with what happened to it", "describe pod web"),
        ("A node", "describe node node01"),
        ("All Pods with a label", "describe pods -l app=web"),
    ]),
    ("diff", &[
        ("What 'kubectl apply' would change", "diff -f web.yaml"),
    ]),
    ("drain", &[
        ("Empty a node; Pods of DaemonSets stay", "drain node01 --ignore-daemonsets"),
        ("Also Pods with emptyDir volumes and such that nobody makes anew", "drain node01 --ignore-daemonsets --delete-emptydir-data --force"),
    ]),
    ("edit", &[
        ("Change a Deployment in the editor", "edit deployment web"),
        ("With an editor of your choice: put EDITOR=nano before the line", "edit service/web -n shop"),
    ]),
    ("events", &[
        ("What happened in all namespaces", "events -A"),
        ("Warnings about one Pod", "events --for=pod/web --types=Warning"),
    ]),
    ("exec", &[
        ("A command in a Pod of the control plane", "exec -n kube-system etcd-controlplane -- etcdctl version"),
        ("A shell, in a container that is named", "exec -it web -c nginx -- sh"),
    ]),
    ("explain", &[
        ("What a Pod consists of", "explain pods"),
        ("One field and what is below it", "explain deployment.spec.strategy"),
        ("Names and types of all fields, however deep", "explain pod.spec.containers --recursive"),
    ]),
    ("expose", &[
        ("A Service in front of a Deployment", "expose deployment web --port=80 --target-port=8080"),
        ("On a port of every node, under another name", "expose deployment web --name=web-public --type=NodePort --port=80"),
        ("A Service for one Pod", "expose pod cart --port=8080"),
    ]),
    ("get", &[
        ("Pods of all namespaces with their nodes and addresses", "get pods -A -o wide"),
        ("A Deployment as a manifest", "get deployment web -o yaml"),
        ("Pods with a label, sorted by their age", "get pods -l app=web --sort-by=.metadata.creationTimestamp"),
        ("One field of each node", "get nodes -o jsonpath='{.items[*].status.nodeInfo.kubeletVersion}'"),
        ("Columns of your own", "get pods -o custom-columns=NAME:.metadata.name,IMAGE:.spec.containers[0].image"),
    ]),
    ("label", &[
        ("Give a node a label", "label node node01 disk=ssd"),
        ("Change a label that is there", "label pod web tier=front --overwrite"),
        ("Take it away", "label node node01 disk-"),
    ]),
    ("logs", &[
        ("What a Pod has written", "logs -n kube-system etcd-controlplane"),
        ("The last 20 lines, and what comes", "logs -n kube-system kube-apiserver-controlplane --tail=20 -f"),
        ("The run before this one", "logs web -c nginx --previous"),
        ("All Pods with a label", "logs -l app=web --all-containers"),
    ]),
    ("patch", &[
        ("Change one field", "patch deployment web -p '{\"spec\":{\"replicas\":4}}'"),
        ("Change an item of a list by its place", "patch pod web --type=json -p '[{\"op\":\"replace\",\"path\":\"/spec/containers/0/image\",\"value\":\"nginx:1.28\"}]'"),
    ]),
    ("replace", &[
        ("Put the object of a file in the place of the one that is there", "replace -f web.yaml"),
        ("Delete it and make it anew: for fields that can't be changed", "replace --force -f pod.yaml"),
    ]),
    ("rollout", &[
        ("Wait until a Deployment is as it should be", "rollout status deployment/web"),
        ("Go back to the revision before", "rollout undo deployment/web"),
    ]),
    ("rollout history", &[
        ("The revisions", "rollout history deployment/web"),
        ("The Pod template of one", "rollout history deployment/web --revision=2"),
    ]),
    ("rollout pause", &[
        ("Let changes wait until 'rollout resume'", "rollout pause deployment/web"),
    ]),
    ("rollout restart", &[
        ("New Pods of the same kind, one after another", "rollout restart deployment/web"),
        ("For all Deployments with a label", "rollout restart deployment -l app=web"),
    ]),
    ("rollout resume", &[
        ("Go on after a pause", "rollout resume deployment/web"),
    ]),
    ("rollout status", &[
        ("Wait for the end, a minute at most", "rollout status deployment/web --timeout=60s"),
        ("How it is now", "rollout status daemonset/agent --watch=false"),
    ]),
    ("rollout undo", &[
        ("The revision before", "rollout undo deployment/web"),
        ("A certain revision", "rollout undo deployment/web --to-revision=1"),
    ]),
    ("run", &[
        ("A Pod of an image", "run web --image=nginx"),
        ("With a port and labels, and a Service in front of it", "run web --image=nginx --port=80 --labels=app=web,tier=front --expose"),
        ("With a command of its own", "run idle --image=busybox --restart=Never --command -- sleep 3600"),
        ("A manifest to go on from", "run web --image=nginx --env=COLOR=blue --dry-run=client -o yaml"),
    ]),
    ("scale", &[
        ("Three replicas", "scale deployment web --replicas=3"),
        ("Two Deployments, but only if there are two of each now", "scale --current-replicas=2 --replicas=4 deployment/web deployment/cart"),
    ]),
    ("set", &[
        ("Another image", "set image deployment/web nginx=nginx:1.28"),
    ]),
    ("set env", &[
        ("A variable for all containers", "set env deployment/web COLOR=green"),
        ("The keys of a ConfigMap as variables", "set env deployment/web --from=configmap/app"),
        ("What is set", "set env deployment/web --list"),
        ("Take a variable away", "set env deployment/web COLOR-"),
    ]),
    ("set image", &[
        ("Another image for the container nginx", "set image deployment/web nginx=nginx:1.28"),
        ("For all containers, whatever they are called", "set image deployment/web *=nginx:1.28"),
    ]),
    ("set resources", &[
        ("What the containers need and may use", "set resources deployment web --requests=cpu=100m,memory=128Mi --limits=memory=256Mi"),
        ("For one container", "set resources deployment web -c=nginx --limits=cpu=200m"),
    ]),
    ("set serviceaccount", &[
        ("Let the Pods act as another account", "set serviceaccount deployment web robot"),
    ]),
    ("taint", &[
        ("Keep Pods that do not tolerate it away", "taint node node01 key=value:NoSchedule"),
        ("Drive out those that are there, too", "taint node node01 broken=yes:NoExecute"),
        ("Take a taint away", "taint node node01 key=value:NoSchedule-"),
    ]),
    ("top", &[
        ("What nodes use, where a metrics server is installed", "top node"),
    ]),
    ("top node", &[
        ("The nodes, where a metrics server is installed", "top node --sort-by=cpu"),
    ]),
    ("top pod", &[
        ("The Pods of all namespaces, where a metrics server is installed", "top pod -A --sort-by=memory"),
    ]),
    ("uncordon", &[
        ("Let new Pods come again", "uncordon node01"),
    ]),
    ("version", &[
        ("This program and the server", "version"),
        ("This program alone", "version --client"),
    ]),
    ("wait", &[
        ("Until a Pod is ready", "wait --for=condition=Ready pod/web --timeout=60s"),
        ("Until a Deployment has enough Pods", "wait --for=condition=Available deployment/web"),
        ("Until a field has a value", "wait --for=jsonpath='{.status.phase}'=Running pod/web"),
        ("Until it is gone", "wait --for=delete pod/web --timeout=30s"),
    ]),
];

#[cfg(test)]
mod tests {
    use super::{EXAMPLES, of};
    use crate::commands::{COMMANDS, children, walk};
    use crate::flags::Flags;

    /// Splits as a shell does, as far as quotes go.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
        for c in line.chars() {
            match (c, quote) {
                ('\'', None) => (quote, begun) = (Some(c), true),
                ('\'', Some(_)) => quote = None,
                (' ', None) => {
                    if begun {
                        words.push(std::mem::take(&mut word));
                    }
                    begun = false;
                }
                _ => {
                    word.push(c);
                    begun = true;
                }
            }
        }
        assert_eq!(quote, None, "an open quote: {line}");
        if begun {
            words.push(word);
        }
        words
    }

    #[test]
    fn examples_are_command_lines_of_their_command() {
        for (path, examples) in EXAMPLES {
            assert!(!examples.is_empty(), "{path}");
            for (about, line) in *examples {
                let (found, rest) = walk(&words(line));
                let found = found.unwrap_or_else(|| panic!("no command: {line}"));
                // A group shows what its members do.
                let member = found.path == *path || found.path.starts_with(&format!("{path} "));
                assert!(member, "{path}: {line}");
                if let Err(e) = Flags::parse(found.flags, &rest) {
                    panic!("{line}: {e}");
                }
                assert!(about.len() <= 94 && !about.ends_with('.'), "{about}");
            }
        }
    }

    #[test]
    fn what_people_look_up_has_examples() {
        // Of these nobody asks for help; the others are a name and a value.
        let plain = ["completion", "options", "config "];
        for command in COMMANDS {
            let bare = children(command.path).next().is_none()
                && plain.iter().any(|start| command.path.starts_with(start));
            assert!(bare || !of(command.path).is_empty(), "{}", command.path);
        }
    }
}
