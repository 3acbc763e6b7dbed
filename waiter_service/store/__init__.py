"""The database: engines, tables, migrations, backups."""
