"""Study files: their schema, the cells they plan, the status of each, and the list of evidence."""
