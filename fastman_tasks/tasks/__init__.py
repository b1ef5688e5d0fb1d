"""The Invoke tasks: one module a namespace, one function a command."""

from fastman_tasks.tasks import suggestions

suggestions.improve_errors()
