output "empty" {
  value = "nothing is in it"
}
