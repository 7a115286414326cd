# Every block and every kind of value that a configuration may have.
accord {
  required_version = ">= 0.1, < 9"

  state "local" {
    path = "kept/here.json"
  }

  limits {
    max_withdrawn = "2.5%"
    max_published = "100%"
    ignore_below  = 3
  }

  provider "weather" {
    source  = "example.org/forecast/weather"
    version = "~> 2.1"
    env     = ["WEATHER_TOKEN"]
  }

  sync {
    filter_delay     = "90s"
    full_retry_after = "12h"
  }

  serve {
    interval = "1m"
  }

  notify "webhook" {
    url = "https://example.org/told"
  }

  encryption {
    recipients = ["age1someone"]
  }

  suppress {
    address   = "country_filter.crm[\"it\"]"
    attribute = "countries"
    owner     = "launch team"
    reason    = "San Marino is tried out by hand"
    expires   = "2030-06-30"
  }

  suppress {
    address = "connection.crm"
    owner   = "ops"
    reason  = "known"
  }

  dev {
    library = "content"
    burst   = 50000
  }
}
