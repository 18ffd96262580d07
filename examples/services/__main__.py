from examples.serving import serve

from .app import app

serve(app)
