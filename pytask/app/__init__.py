"""The app: settings, registry, client, resources, hooks and schedules in one object."""
