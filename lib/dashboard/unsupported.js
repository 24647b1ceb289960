'use strict'

// As ../../unsupported.js, with the names of this entry.
module.exports = { dashboard: undefined }

require('../../unsupported.js')
