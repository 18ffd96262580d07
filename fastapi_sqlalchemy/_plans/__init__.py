"""Plans: what SQLAlchemy works out for a statement, worked out once for all statements of a shape.

A plan keeps the SQL that SQLAlchemy compiled, with its own processors for what goes in and comes
out, and runs it on the driver's cursor.  It is used where that makes no difference but time:
whoever listens to statements, loads or flushes, or maps in a way that is not known here, gets
SQLAlchemy's own path.
"""
