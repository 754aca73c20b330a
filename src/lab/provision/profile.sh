# What most practice nodes set up for the person at the prompt.
alias k=kubectl
