country_filter "crm" {
  for_each   = var.markets
  connection = connection.crm[each.key]
  feature    = "clm"
  countries  = each.value.covers
}

integration "clm" {
  for_each   = var.markets
  connection = connection.crm[each.key]
  type       = "clm"
  status     = "active"
  enabled    = each.key != "it"
}

integration_point "presentations" {
  for_each          = var.markets
  integration       = integration.clm[each.key]
  name              = "clm_presentation"
  status            = "active"
  engine            = "accord"
  full_sync_trigger = "spring"
  on_unapproved     = "withdraw"
  depends_on        = [permission_set.sync]

  lifecycle {
    protect        = true
    ignore_changes = [engine]
    precondition {
      condition     = vault.library.kind == "promomats"
      error_message = "Content comes from PromoMats."
    }
    postcondition {
      condition     = true
      error_message = "Never."
    }
  }
}

query_rule "steady" {
  connection = connection.crm["it"]
  status     = "active"
}

field_rule "brand" {
  connection = connection.crm["it"]
  source     = "brand__c"
  target     = "product__v"
  applies_to = ["presentation__v"]
  values     = { a__c = "b__c" }
  default    = "c__c"

  reference {
    object   = "product__v"
    no_match = "blank"
  }
}

multichannel_settings "reps" {
  vault       = vault.crm["it"]
  clm_content = "object"
}

document_transfer "fax" {
  connection     = connection.crm["it"]
  document_types = ["fax__c"]
}

align_instance "south" {
  align         = vault.align
  crm           = vault.crm["it"]
  all_countries = true
}

align_mapping "area" {
  instance  = align_instance.south
  direction = "inbound"
  from      = "territory__v"
  to        = "aln_territory__v"

  system "name__v" {
    active = false
  }
  field "zone__c" {
    source = "zone__c"
  }
}

align_import "south" {
  instance             = align_instance.south
  run                  = "manual"
  existing_assignments = "import_as_explicit"
}

align_push "south" {
  instance = align_instance.south
  run      = "schedule"
  schedule = "30 3 * * 1"
  limits {
    max_deleted = "1%"
  }
}
