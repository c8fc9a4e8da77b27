"""What people edit: the project, its increments and their four documents."""
