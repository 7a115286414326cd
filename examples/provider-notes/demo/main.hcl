accord {
  provider "notes" {
    source  = "example.com/acme/notes"
    version = "~> 1.0"
    env     = ["NOTES_AUTHOR"]
  }
}

notebook "mine" {
  path  = "notes.json"
  limit = 4
}

note "hello" {
  notebook = notebook.mine
  name     = "hello"
  text     = "Hello."
  secret   = "canary"
}

note "more" {
  for_each = toset(["a", "b"])
  notebook = notebook.mine
  name     = each.key
  text     = "More of ${each.key}"
}
