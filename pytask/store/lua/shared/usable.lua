-- Return true if the bytes are UTF-8: well-formed characters are blanked out, and then no byte above ASCII is left.
local function is_text(bytes)
  if not string.find(bytes, '[\128-\255]') then return true end
  local left = string.gsub(bytes, '[\194-\223][\128-\191]', ' ')
  left = string.gsub(left, '\224[\160-\191][\128-\191]', ' ')
  left = string.gsub(left, '[\225-\236\238\239][\128-\191][\128-\191]', ' ')
  left = string.gsub(left, '\237[\128-\159][\128-\191]', ' ')
  left = string.gsub(left, '\240[\144-\191][\128-\191][\128-\191]', ' ')
  left = string.gsub(left, '[\241-\243][\128-\191][\128-\191][\128-\191]', ' ')
  left = string.gsub(left, '\244[\128-\143][\128-\191][\128-\191]', ' ')
  return not string.find(left, '[\128-\255]')
end

-- Return why these bytes cannot be the id of a run (length, control characters, the name of a control channel), or nil.
local function not_usable(id)
  if #id == 0 or #id > 256 then return 'an id has 1 to 256 bytes' end
  if string.find(id, '%c') then return 'an id is printable' end
  if string.sub(id, -8) == '-control' then return 'an id does not end in -control' end
  if not is_text(id) then return 'an id is UTF-8' end
end
