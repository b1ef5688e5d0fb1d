"""The Invoke tasks: one module a namespace, one function a command."""
