// Downloads targets with tuf-js: node download.mjs METADATA_URL TARGETS_URL FOLDER TARGET...
// FOLDER holds the root.json that is trusted; targets go there, too.
import { createRequire } from 'node:module';

// From where scripts/fetch-interop has put it.
const { Updater } = createRequire(`${process.env.INTEROP_NODE}/`)('tuf-js');
const [metadataBaseUrl, targetBaseUrl, folder, ...targets] = process.argv.slice(2);
const updater = new Updater({
  metadataDir: folder,
  metadataBaseUrl,
  targetDir: folder,
  targetBaseUrl,
  config: { fetchRetries: 0 },
});
try {
  await updater.refresh();
  for (const [index, name] of targets.entries()) {
    const info = await updater.getTargetInfo(name);
    if (!info) throw new Error(`no target ${name}`);
    await updater.downloadTarget(info, `${folder}/target-${index}`);
  }
} catch (error) {
  console.error(`${error.name}: ${error.message}`);
  process.exit(1);
}
