# What most practice nodes, and the exam's, set up for the person at the prompt.
alias k=kubectl
if [ -n "$BASH_VERSION" ] && [ -n "$PS1" ] && command -v kubectl >/dev/null; then
  eval "$(kubectl completion bash)"
  complete -o default -F __start_kubectl k
fi
