"""The Train page: setting up, running and watching; its panels serve other pages too."""
